//! A context's command queue, its handler, its dead letters and the redrive, on virtual time.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use bench::Bench;
use bench::platform::environment;
use kernel::context::Context;
use kernel::ids::TenantId;
use kernel::operation::Status;
use kernel::receipt::Receipt;
use recovery::back_off::MAX_RECEIVES;
use recovery::{DeadLetters, Failure, MessageGroup, Returning};
use redrive::{QueueReport, Redrive, Report, Request, WayBack};
use serde_json::{Value, json};
use store::operations::OperationRecord;
use testkit::{Attempt, Aws, Fault, TABLES};
use tokio::time::{Instant, advance, sleep};

pub use bench::VISIBILITY;
pub use bench::platform::RETENTION;

use crate::ledger;

/// How often redrive runs.
pub const SCHEDULE: Duration = Duration::from_mins(5);
/// How long a run may take.
const RUN: Duration = Duration::from_mins(5);

/// The bench of the context `ledger`, with the redrive beside it.
pub struct World {
    bench: Bench,
    pub redrive: Redrive,
    /// The receive counts that the handler saw, by message body.
    pub receives: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Deref for World {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

pub fn tenant() -> TenantId {
    TenantId::parse("acme").expect("a tenant")
}

impl World {
    pub fn new() -> Self {
        let bench = Bench::of(&ledger::CONTEXT);
        bench.aws.dead_letter_queue(&bench.queue, &bench.dead_letters, MAX_RECEIVES);
        let way = WayBack {
            name: "ledger".to_owned(),
            context: Some(&ledger::CONTEXT),
            queue_url: bench.queue.clone(),
            dead_letters: DeadLetters::new(bench.aws.sqs(), &bench.dead_letters),
        };
        Self { redrive: redrive(&bench.aws, vec![way]), bench, receives: Arc::default() }
    }

    /// From now on another build handles the commands.
    pub fn deploy(&mut self, context: &'static Context) {
        self.bench.handler.context = context;
    }

    // Commands

    pub async fn note(&self, stream: &str, id: &str) -> Receipt {
        self.send(stream, id, "Note", &json!({ "text": id })).await
    }

    pub async fn send(&self, stream: &str, id: &str, ty: &str, data: &Value) -> Receipt {
        let (receipt, body) = self.seal(stream, id, ty, data);
        self.put(&self.queue, stream, id, &body).await;
        receipt
    }

    /// Puts a message into a queue in a stream's group.
    pub async fn put(&self, queue: &str, stream: &str, id: &str, body: &str) {
        let send = self.aws.sqs().send_message().queue_url(queue).message_body(body);
        let group = format!("acme/ledger/{stream}");
        send.message_group_id(group).message_deduplication_id(id).send().await.expect("queued");
    }

    /// A command that is a dead letter already, and was sent back so often.
    pub async fn bury(&self, stream: &str, id: &str, attempts: u32) -> Receipt {
        let (receipt, body) = self.seal(stream, id, "Note", &json!({ "text": id }));
        let failure = Failure { attempts, error: Some("no answer".to_owned()), ..Failure::default() };
        let group = MessageGroup::Ordered(format!("acme/ledger/{stream}"));
        let buried = Returning { body, group, deduplication_id: format!("buried-{id}"), failure };
        DeadLetters::new(self.aws.sqs(), &self.dead_letters).bury(vec![buried]).await.expect("buried");
        receipt
    }

    /// The dead letters of these streams, in turn, each stream's as they are numbered. All were sent back so often.
    pub async fn bury_many(&self, streams: usize, each: usize, attempts: u32) {
        let mut letters = Vec::new();
        for number in 0..each {
            for stream in 0..streams {
                let (stream, id) = (format!("S{stream}"), format!("{stream}-{number}"));
                let (_, body) = self.seal(&stream, &id, "Note", &json!({ "text": id }));
                let group = MessageGroup::Ordered(format!("acme/ledger/{stream}"));
                let failure = Failure { attempts, ..Failure::default() };
                letters.push(Returning { body, group, deduplication_id: id, failure });
            }
        }
        DeadLetters::new(self.aws.sqs(), &self.dead_letters).bury(letters).await.expect("buried");
        advance(Duration::from_secs(1)).await;
        self.aws.forget_calls();
    }

    pub fn seal(&self, stream: &str, id: &str, ty: &str, data: &Value) -> (Receipt, String) {
        self.bench.seal(self.event(id, ty, 1).subject(stream).data_json(data))
    }

    // The machinery

    /// One batch at most. Says how many messages were in it.
    pub async fn handle(&self) -> usize {
        let poll = self.aws.poll(&self.queue, 10, VISIBILITY, async |event: SqsEvent| {
            for message in &event.records {
                let receives = message.attributes["ApproximateReceiveCount"].parse().expect("a number");
                let mut seen = self.receives.lock().expect("not poisoned");
                let most = seen.entry(message.body.clone().unwrap_or_default()).or_default();
                *most = (*most).max(receives);
            }
            self.handler.handle(event, self.now(), Instant::now() + Duration::from_secs(25)).await
        });
        poll.await
    }

    /// As many handlers as a context has by default, in `template.yaml`, each of which looks again after a pause where it
    /// found nothing. On the [`LocalSet`](tokio::task::LocalSet) of the test, until that ends.
    pub fn work(self: &Rc<Self>, pause: Duration) {
        const HANDLERS: usize = 50;
        for _ in 0..HANDLERS {
            let world = Rc::clone(self);
            tokio::task::spawn_local(async move {
                loop {
                    if world.handle().await == 0 {
                        sleep(pause).await;
                    }
                }
            });
        }
    }

    /// Handles what can be seen, again and again as it becomes visible, until the queue is empty.
    pub async fn drain(&self) {
        while !self.aws.messages(&self.queue).is_empty() {
            while self.handle().await > 0 {}
            advance(VISIBILITY + Duration::from_secs(1)).await;
        }
    }

    /// One run, with the handler at work meanwhile.
    pub async fn run(&self, request: &Request) -> QueueReport {
        let mut report = self.beside_the_handler(self.run_alone(request)).await;
        assert_eq!(report.queues.len(), 1, "{report:?}");
        report.queues.remove(0)
    }

    pub async fn run_alone(&self, request: &Request) -> Report {
        self.redrive.run(request, self.now(), Instant::now() + RUN).await
    }

    pub async fn beside_the_handler<T>(&self, work: impl Future<Output = T>) -> T {
        let handling = async {
            loop {
                if self.handle().await == 0 {
                    sleep(Duration::from_secs(4)).await;
                }
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = handling => unreachable!("it goes on for ever"),
        }
    }

    /// Time goes on, the handler at work.
    pub async fn for_a_while(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            while self.handle().await > 0 {}
            sleep(Duration::from_secs(30)).await;
        }
    }

    /// Time goes on until the next run on schedule, the handler at work.
    pub async fn until_next_run(&self) {
        self.for_a_while(SCHEDULE).await;
    }

    // Faults

    /// Every load of a stream whose id contains `part` fails from now on.
    pub fn break_streams(&self, part: &'static str) {
        self.aws.inject(move |attempt| if loads(attempt, part) { broken() } else { Fault::None });
    }

    // What there is to see

    pub fn dead(&self) -> usize {
        self.aws.messages(&self.dead_letters).len()
    }

    pub fn record(&self, receipt: &Receipt) -> Option<OperationRecord> {
        let key = OperationRecord::key(&tenant(), receipt.command_key);
        self.records().into_iter().find(|record| record.operation_key == key)
    }

    /// The records of all operations.
    pub fn records(&self) -> Vec<OperationRecord> {
        let read = |record| serde_json::from_value(record).expect("an operation record");
        self.aws.items(TABLES.operations).into_iter().map(read).collect()
    }

    #[track_caller]
    pub fn assert_all_succeeded(&self, receipts: &[Receipt]) {
        let records = self.records().into_iter().map(|record| (record.operation_key.clone(), record));
        let records: BTreeMap<String, OperationRecord> = records.collect();
        for (index, receipt) in receipts.iter().enumerate() {
            let record = records.get(&OperationRecord::key(&tenant(), receipt.command_key));
            let outcome = record.map(|record| record.outcome);
            assert_eq!(outcome, Some(Status::Succeeded), "command {index}: {record:?}\n{}", self.aws.calls());
        }
    }

    /// The texts noted in a stream, in order.
    pub fn notes(&self, stream: &str) -> Vec<String> {
        self.all_notes().remove(&self.stream(stream).to_string()).unwrap_or_default()
    }

    /// The texts noted in each stream, by its id, in order.
    pub fn all_notes(&self) -> BTreeMap<String, Vec<String>> {
        let mut notes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for commit in self.aws.items(TABLES.events) {
            let id = commit["stream_id"].as_str().expect("a stream id").to_owned();
            let events: Vec<Value> =
                serde_json::from_str(commit["events"].as_str().expect("events")).expect("a list of events");
            let texts = events.iter().map(|event| event["data"]["text"].as_str().expect("a text").to_owned());
            notes.entry(id).or_default().extend(texts);
        }
        notes
    }
}

pub fn redrive(aws: &Aws, ways: Vec<WayBack>) -> Redrive {
    let redrive = Redrive::from_environment(&environment(), aws.dynamodb(), aws.sqs()).expect("settings");
    Redrive { ways, ..redrive }
}

/// Whether it is the command handler loading a stream.
pub fn loads(attempt: &Attempt<'_>, part: &str) -> bool {
    attempt.operation == "Query" && attempt.body.contains(r#""TableName":"events""#) && attempt.body.contains(part)
}

pub fn broken() -> Fault {
    Fault::refuse(500, "InternalServerError")
}

pub fn names(stream: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{stream}-{number:02}")).collect()
}
