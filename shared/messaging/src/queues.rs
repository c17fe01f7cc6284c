//! Names of an installation's queues. `template.yaml` gives the queues these names; a test of the house holds the two
//! together. So a function needs one prefix instead of an address for each queue.

/// The addresses of an installation's queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues {
    prefix: String,
}

/// A queue with its dead letters, and the name that operators and metrics know both by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePair {
    pub name: String,
    pub queue_url: String,
    pub dead_letters_url: String,
}

/// Who gets domain events from the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscriber {
    /// What its queues are called after.
    pub name: &'static str,
    /// The function that handles the events.
    pub function: &'static str,
}

/// All subscribers; `cargo xtask new-subscriber` adds to them.
///
/// One called `read-model` takes events from the queue `read-model-updates`. What its function `read-model-updater` failed on
/// is in `read-model-dead-letters`, known as `read_model_updater`; what SNS could not hand over, in
/// `read-model-undelivered`, known as `read_model_subscription`. Both go back to the queue of this subscriber.
#[rustfmt::skip] // a line for each
pub const SUBSCRIBERS: &[Subscriber] = &[
    Subscriber { name: "listener", function: "listener" },
    Subscriber { name: "notification-sender", function: "notification-sender" },
    Subscriber { name: "payment-gateway", function: "payment-gateway" },
    Subscriber { name: "read-model", function: "read-model-updater" },
    Subscriber { name: "webhook-dispatcher", function: "webhook-dispatcher" },
];

/// What the queue of partners' events is known as. Who may see its messages is not for their senders to say.
pub const PARTNERS: &str = "partners";

/// Whether the queue of this name, URL or ARN is FIFO: SQS asks for exactly this ending.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "it is no file")]
pub fn is_fifo(queue: &str) -> bool {
    queue.ends_with(".fifo")
}

/// The name of the queue with this URL.
pub fn name_of(url: &str) -> &str {
    url.rsplit_once('/').map_or(url, |(_, name)| name)
}

impl Queues {
    /// The environment variable that holds the prefix.
    pub const VARIABLE: &str = "QUEUES";

    /// `prefix` is the start of every queue's URL: `https://sqs.eu-west-1.amazonaws.com/123456789012/waybill-`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// What all names of the installation begin with, those of its functions too: `waybill-`.
    pub fn installation(&self) -> &str {
        name_of(&self.prefix)
    }

    /// A context's command queue.
    pub fn commands(&self, context: &str) -> String {
        self.url(&format!("{context}-commands.fifo"))
    }

    /// The queue of commits that are to be published once more.
    pub fn publisher_retries(&self) -> String {
        self.url("publisher-retries")
    }

    /// The queue of timers that are due within the longest delay.
    pub fn timers(&self) -> String {
        self.url("timers")
    }

    /// The queue of endpoints that get webhooks and must be looked at.
    pub fn webhooks(&self) -> String {
        self.url("webhooks")
    }

    /// The queue that a subscriber takes events from.
    pub fn updates(&self, subscriber: &str) -> String {
        self.url(&format!("{subscriber}-updates"))
    }

    /// Every queue that has dead letters, by name: those of the contexts, the publisher, the timers, the webhooks, partners'
    /// events and the subscribers.
    pub fn pairs<'a>(&self, contexts: impl IntoIterator<Item = &'a str>) -> Vec<QueuePair> {
        let of_context =
            |context| self.pair(context, &format!("{context}-commands.fifo"), &format!("{context}-dead-letters.fifo"));
        let mut pairs: Vec<_> = contexts.into_iter().map(of_context).collect();
        pairs.push(self.pair("publisher", "publisher-retries", "publisher-dead-letters"));
        pairs.push(self.pair("timers", "timers", "timers-dead-letters"));
        pairs.push(self.pair("webhooks", "webhooks", "webhooks-dead-letters"));
        pairs.push(self.pair(PARTNERS, "partner-events", "partner-events-dead-letters"));
        pairs.extend(SUBSCRIBERS.iter().flat_map(|subscriber| self.of_subscriber(subscriber)));
        pairs.sort_by(|one, other| one.name.cmp(&other.name));
        pairs
    }

    fn of_subscriber(&self, Subscriber { name, function }: &Subscriber) -> [QueuePair; 2] {
        let queue = format!("{name}-updates");
        [
            (function.replace('-', "_"), "dead-letters"),
            (format!("{name}_subscription").replace('-', "_"), "undelivered"),
        ]
        .map(|(known, kept)| self.pair(&known, &queue, &format!("{name}-{kept}")))
    }

    fn pair(&self, name: &str, queue: &str, dead_letters: &str) -> QueuePair {
        QueuePair { name: name.to_owned(), queue_url: self.url(queue), dead_letters_url: self.url(dead_letters) }
    }

    fn url(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_known_by_its_installation_and_its_name() {
        let queues = Queues::new("https://sqs.example/1/shop-");
        assert_eq!(queues.commands("orders"), "https://sqs.example/1/shop-orders-commands.fifo");
        assert_eq!(name_of(&queues.commands("orders")), "shop-orders-commands.fifo");
        assert_eq!(queues.installation(), "shop-");
        let pairs = queues.pairs(["orders"]);
        assert!(pairs.is_sorted_by(|one, other| one.name < other.name), "{pairs:?}");
        assert_eq!(
            pairs.len(),
            5 + 2 * SUBSCRIBERS.len(),
            "of the context, the publisher, the timers, the webhooks, partners' events, and each subscriber"
        );
        let of =
            |name: &str| pairs.iter().find(|pair| pair.name == name).unwrap_or_else(|| panic!("{name}: {pairs:?}"));
        assert_eq!(of("orders").dead_letters_url, "https://sqs.example/1/shop-orders-dead-letters.fifo");
        assert_eq!(of("publisher").dead_letters_url, "https://sqs.example/1/shop-publisher-dead-letters");
        let (failed, undelivered) = (of("read_model_updater"), of("read_model_subscription"));
        assert_eq!(undelivered.dead_letters_url, "https://sqs.example/1/shop-read-model-undelivered");
        assert_eq!(failed.dead_letters_url, "https://sqs.example/1/shop-read-model-dead-letters");
        assert_eq!(failed.queue_url, undelivered.queue_url, "both are handed to the updater");
    }
}
