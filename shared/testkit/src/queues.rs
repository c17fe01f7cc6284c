//! SQS queues: order, deduplication, visibility, dead letters. A queue exists as soon as its URL is named,
//! and is FIFO if that ends with `.fifo`.
//!
//! What may be sent is checked before, in `sqs`.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::attributes::{self, Attributes};
use crate::aws::Aws;

/// For how long FIFO queues remember a deduplication id.
const DEDUPLICATION: Duration = Duration::from_mins(5);

/// A message that a queue holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    pub id: String,
    pub queue_url: String,
    pub body: String,
    /// `MessageGroupId`.
    pub group: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication_id: Option<String>,
    pub attributes: Attributes,
    /// The system attribute `AWSTraceHeader`.
    pub trace_header: Option<String>,
    /// FIFO queues only; grows with every message.
    pub sequence_number: Option<String>,
    pub sent: SystemTime,
    pub first_received: Option<SystemTime>,
    /// How often it has been received so far, among the dead letters as well as before.
    pub receive_count: u32,
    /// Of the last receive.
    pub receipt_handle: Option<String>,
    /// The ARN of the queue whose redrive policy moved it here.
    pub dead_letter_source: Option<String>,
}

impl Message {
    pub(crate) fn new(queue_url: &str, body: String, sent: SystemTime) -> Self {
        Self {
            id: String::new(),
            queue_url: queue_url.to_owned(),
            body,
            group: None,
            deduplication_id: None,
            attributes: Attributes::new(),
            trace_header: None,
            sequence_number: None,
            sent,
            first_received: None,
            receive_count: 0,
            receipt_handle: None,
            dead_letter_source: None,
        }
    }

    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(|attribute| attribute.value.as_str())
    }

    /// What SQS counts against its limits.
    pub(crate) fn size(&self) -> usize {
        self.body.len() + attributes::size(&self.attributes)
    }

    /// What SQS itself says of the message, all values text.
    pub(crate) fn system_attributes(&self) -> BTreeMap<&'static str, String> {
        let millis = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
        let mut attributes = BTreeMap::from([
            ("ApproximateReceiveCount", self.receive_count.max(1).to_string()),
            ("ApproximateFirstReceiveTimestamp", millis(self.first_received.unwrap_or(self.sent))),
            ("SenderId", "AIDATESTKIT".to_owned()),
            ("SentTimestamp", millis(self.sent)),
        ]);
        let optional = [
            ("MessageGroupId", &self.group),
            ("MessageDeduplicationId", &self.deduplication_id),
            ("SequenceNumber", &self.sequence_number),
            ("AWSTraceHeader", &self.trace_header),
            ("DeadLetterQueueSourceArn", &self.dead_letter_source),
        ];
        attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        attributes
    }
}

#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "SQS asks for exactly `.fifo`")]
pub(crate) fn is_fifo(queue_url: &str) -> bool {
    queue_url.ends_with(".fifo")
}

/// How many messages of a queue are in which state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub visible: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

/// Why a receipt handle was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HandleError {
    Malformed,
    /// FIFO: the message was received again, or its visibility timeout is over.
    Expired,
    NotInFlight,
}

#[derive(Debug, Default)]
pub(crate) struct Queues {
    queues: HashMap<String, Queue>,
    sent: u64,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Stored>,
    /// By message id. Few, whatever the backlog.
    in_flight: HashMap<String, InFlight>,
    recent: Recent,
    redrive: Option<RedrivePolicy>,
}

/// Where messages go that were received too often.
#[derive(Clone, Debug)]
struct RedrivePolicy {
    dead_letters_url: String,
    max_receives: u32,
}

#[derive(Debug)]
struct Stored {
    message: Message,
    delayed_until: SystemTime,
    /// Receives that count for the redrive policy: those from this queue.
    receives_here: u32,
}

#[derive(Debug)]
struct InFlight {
    group: Option<String>,
    until: SystemTime,
}

/// What a FIFO queue answered to the deduplication ids of the last five minutes.
#[derive(Debug, Default)]
struct Recent {
    by_id: HashMap<String, Sent>,
    in_order: VecDeque<(SystemTime, String)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub id: String,
    pub sequence_number: Option<String>,
}

impl Queues {
    /// Stores the message, unless it is a duplicate, which is answered as its original was.
    pub fn send(&mut self, mut message: Message, delay: Duration) -> Sent {
        self.sent += 1;
        let now = message.sent;
        let fifo = is_fifo(&message.queue_url);
        let queue = self.queues.entry(message.queue_url.clone()).or_default();
        message.id = format!("00000000-0000-4000-8000-{:012x}", self.sent);
        if fifo {
            message.sequence_number = Some(sequence_number(self.sent));
        }
        let sent = Sent { id: message.id.clone(), sequence_number: message.sequence_number.clone() };
        if let Some(id) = message.deduplication_id.as_ref().filter(|_| fifo) {
            queue.recent.forget_before(now);
            if let Some(original) = queue.recent.by_id.get(id) {
                return original.clone();
            }
            queue.recent.remember(id, &sent, now);
        }
        queue.messages.push_back(Stored { message, delayed_until: now + delay, receives_here: 0 });
        sent
    }

    /// From now on, what would be received once more than `max_receives` times goes to the dead-letter queue instead.
    pub fn set_redrive_policy(&mut self, queue_url: &str, dead_letters_url: &str, max_receives: u32) {
        let policy = RedrivePolicy { dead_letters_url: dead_letters_url.to_owned(), max_receives };
        self.queues.entry(queue_url.to_owned()).or_default().redrive = Some(policy);
    }

    /// Everything that has not been deleted, in order, in flight or not.
    pub fn messages(&self, queue_url: &str) -> Vec<Message> {
        let queue = self.queues.get(queue_url);
        queue.into_iter().flat_map(|queue| &queue.messages).map(|stored| stored.message.clone()).collect()
    }

    /// Up to `max` messages, which become invisible for a time. A FIFO queue hands out a group in order,
    /// and nothing of a group of which something is in flight. What the redrive policy takes is not among them, and
    /// holds up nothing.
    pub fn receive(&mut self, queue_url: &str, max: usize, visibility: Duration, now: SystemTime) -> Vec<Message> {
        let fifo = is_fifo(queue_url);
        let Some(queue) = self.queues.get_mut(queue_url) else { return Vec::new() };
        queue.land(now);
        let blocked: HashSet<_> = queue.in_flight.values().filter_map(|flying| flying.group.clone()).collect();
        let mut received = Vec::new();
        let mut dead = Vec::new();
        for stored in &mut queue.messages {
            if received.len() == max {
                break;
            }
            let message = &mut stored.message;
            let group_blocked = fifo && message.group.as_ref().is_some_and(|group| blocked.contains(group));
            if group_blocked || stored.delayed_until > now || queue.in_flight.contains_key(&message.id) {
                continue;
            }
            if queue.redrive.as_ref().is_some_and(|policy| stored.receives_here >= policy.max_receives) {
                dead.push(message.id.clone());
                continue;
            }
            stored.receives_here += 1;
            message.receive_count += 1;
            message.first_received.get_or_insert(now);
            message.receipt_handle = Some(format!("{}.{}", message.id, message.receive_count));
            received.push(message.clone());
            if !visibility.is_zero() {
                let flying = InFlight { group: message.group.clone(), until: now + visibility };
                queue.in_flight.insert(message.id.clone(), flying);
            }
        }
        if !dead.is_empty() {
            self.bury(queue_url, &dead, now);
        }
        received
    }

    /// Moves these messages to the dead-letter queue, in order. They keep their ids; a FIFO dead-letter queue counts
    /// them as sent now, and drops none as a duplicate.
    fn bury(&mut self, queue_url: &str, dead: &[String], now: SystemTime) {
        let Some(queue) = self.queues.get_mut(queue_url) else { return };
        let Some(RedrivePolicy { dead_letters_url, .. }) = queue.redrive.clone() else { return };
        let is_dead = |stored: &Stored| dead.contains(&stored.message.id);
        let (moving, staying): (VecDeque<_>, VecDeque<_>) = queue.messages.drain(..).partition(is_dead);
        queue.messages = staying;
        let dead_letters = self.queues.entry(dead_letters_url.clone()).or_default();
        for mut stored in moving {
            let message = &mut stored.message;
            message.dead_letter_source = Some(Aws::queue_arn(queue_url));
            message.queue_url.clone_from(&dead_letters_url);
            message.receipt_handle = None;
            if is_fifo(&dead_letters_url) {
                self.sent += 1;
                message.sequence_number = Some(sequence_number(self.sent));
                message.sent = now;
            }
            dead_letters.messages.push_back(Stored { delayed_until: now, receives_here: 0, ..stored });
        }
    }

    /// Deletes the message of a receipt handle. Of a handle that is not the last one, a standard queue says
    /// that it has deleted, and has not.
    pub fn delete(&mut self, queue_url: &str, handle: &str, now: SystemTime) -> Result<(), HandleError> {
        let (id, receive) = parse(handle)?;
        let Some(queue) = self.queues.get_mut(queue_url) else { return Ok(()) };
        queue.land(now);
        let Some(index) = queue.messages.iter().position(|stored| stored.message.id == id) else { return Ok(()) };
        let latest = queue.messages[index].message.receive_count == receive;
        if is_fifo(queue_url) && !(latest && queue.in_flight.contains_key(id)) {
            return Err(HandleError::Expired);
        }
        if latest {
            queue.messages.remove(index);
            queue.in_flight.remove(id);
        }
        Ok(())
    }

    /// From now, the message stays invisible for this time; zero gives it back.
    pub fn change_visibility(
        &mut self,
        queue_url: &str,
        handle: &str,
        visibility: Duration,
        now: SystemTime,
    ) -> Result<(), HandleError> {
        let (id, receive) = parse(handle)?;
        let queue = self.queues.get_mut(queue_url).ok_or(HandleError::NotInFlight)?;
        queue.land(now);
        let latest =
            queue.messages.iter().any(|stored| stored.message.id == id && stored.message.receive_count == receive);
        let flying = queue.in_flight.get_mut(id).filter(|_| latest).ok_or(HandleError::NotInFlight)?;
        flying.until = now + visibility;
        Ok(())
    }

    pub fn counts(&mut self, queue_url: &str, now: SystemTime) -> Counts {
        let Some(queue) = self.queues.get_mut(queue_url) else {
            return Counts { visible: 0, in_flight: 0, delayed: 0 };
        };
        queue.land(now);
        let delayed = queue.messages.iter().filter(|stored| stored.delayed_until > now).count();
        let in_flight = queue.in_flight.len();
        Counts { visible: queue.messages.len() - in_flight - delayed, in_flight, delayed }
    }

    pub fn purge(&mut self, queue_url: &str) {
        if let Some(queue) = self.queues.get_mut(queue_url) {
            queue.messages.clear();
            queue.in_flight.clear();
        }
    }
}

impl Queue {
    /// What has been in flight for its time is visible again.
    fn land(&mut self, now: SystemTime) {
        self.in_flight.retain(|_, flying| flying.until > now);
    }
}

impl Recent {
    fn forget_before(&mut self, now: SystemTime) {
        while let Some((_, id)) = self.in_order.pop_front_if(|(since, _)| *since + DEDUPLICATION <= now) {
            self.by_id.remove(&id);
        }
    }

    fn remember(&mut self, id: &str, sent: &Sent, now: SystemTime) {
        self.by_id.insert(id.to_owned(), sent.clone());
        self.in_order.push_back((now, id.to_owned()));
    }
}

/// Twenty digits that grow.
fn sequence_number(nth: u64) -> String {
    (18_849_000_000_000_000_000 + u128::from(nth)).to_string()
}

fn parse(handle: &str) -> Result<(&str, u32), HandleError> {
    let (id, receive) = handle.split_once('.').ok_or(HandleError::Malformed)?;
    Ok((id, receive.parse().map_err(|_| HandleError::Malformed)?))
}
