//! The command handler of this build, on tables of its own.

use std::time::{Duration, UNIX_EPOCH};

use aws_lambda_events::sqs::SqsEvent;
use command_handler::{CommandHandler, Deciding};
use kernel::context::Context;
use kernel::domain_event::RecordedEvent;
use kernel::timestamp::Timestamp;
use recovery::DeadLetters;
use recovery::back_off::MAX_RECEIVES;
use recovery::batch::GivingBack;
use serde_json::Value;
use store::event_store::Commit;
use store::parked::{Parked, ParkedMessage};
use store::{EventStore, Tables};
use testkit::{Aws, TABLES};
use tokio::time::Instant;

/// The context whose operations and parked messages are recorded.
pub const QUEUE: &str = "orders";

pub struct Bench {
    pub aws: Aws,
    pub handler: CommandHandler,
    pub queue: String,
}

impl Bench {
    pub fn new(context: &'static Context) -> Self {
        let aws = Aws::starting_at(UNIX_EPOCH + Duration::from_secs(1_790_000_000));
        let tables = Tables {
            events: TABLES.events.to_owned(),
            operations: TABLES.operations.to_owned(),
            parked: TABLES.parked.to_owned(),
            guards: TABLES.guards.to_owned(),
        };
        let dead_letters = Aws::queue_url(&format!("{}-dead-letters.fifo", context.name));
        let queue = Aws::queue_url(&format!("{}-commands.fifo", context.name));
        let handler = CommandHandler {
            context,
            parked: Parked::new(aws.dynamodb(), TABLES.parked, TABLES.operations),
            giving_back: GivingBack {
                sqs: aws.sqs(),
                queue_url: queue.clone(),
                dead_letters: DeadLetters::new(aws.sqs(), dead_letters),
                max_receives: MAX_RECEIVES,
            },
            events: EventStore::new(aws.dynamodb(), tables),
            retention: Duration::from_hours(24 * 90),
            deciding: Deciding::Inline,
        };
        Self { aws, handler, queue }
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// One invocation with this message.
    pub async fn handle(&self, body: &str) {
        let group = kernel::command::Header::read(body).and_then(|header| header.stream(self.handler.context.name));
        let group = group.map_or_else(|| "nobody's".to_owned(), |stream| stream.message_group());
        self.aws.put(&self.queue, Some(&group), Some(&self.aws.calls().len().to_string()), body);
        let messages = self.aws.receive(&self.queue, 1, Duration::from_mins(1));
        let event: SqsEvent = serde_json::from_value(Aws::sqs_event(&messages)).expect("an SQS event");
        let response = self.handler.handle(event, self.now(), Instant::now() + Duration::from_secs(25)).await;
        assert!(response.batch_item_failures.is_empty(), "given back: {body}");
        assert!(messages.iter().all(|message| self.aws.delete(message)));
    }

    /// What is on record of a parked command.
    pub fn outcome(&self, parked: &ParkedMessage) -> String {
        let (_, key) = parked.summary.id.split_once('#').expect("a time and a key");
        let tenant = parked.summary.tenant.as_ref().expect("a command's tenant");
        let key = format!("{tenant}#{key}");
        let record = self.aws.items(TABLES.operations).into_iter().find(|record| record["operation_key"] == key);
        record.and_then(|record| Some(record["outcome"].as_str()?.to_owned())).unwrap_or_default()
    }
}

/// All events of a commit as it was stored.
pub fn events(commit: &Value) -> Vec<RecordedEvent> {
    let read = serde_json::from_value::<Commit>(commit.clone());
    let read = read.unwrap_or_else(|error| panic!("a commit cannot be read: {error} in {commit:#}"));
    read.events().unwrap_or_else(|error| panic!("events cannot be read: {error} in {commit:#}"))
}
