//! [`Aws`]: what a test holds in its hands.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::Database;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::calls::{Calls, Log};
use crate::clients;
use crate::clock::{Clock, Latency};
use crate::cloudwatch::Metrics;
use crate::disturbance::{Disturbance, Disturbed};
use crate::dynamodb::Tokens;
use crate::faults::{Attempt, Effect, Fault, Faults, Observer, Rewriting};
use crate::holding::Holding;
use crate::plain;
use crate::queues::{Message, Queues};
use crate::secrets::Secrets;
use crate::ses::SentMail;
use crate::sockets::Sockets;
use crate::sqs;
use crate::streams::{self, Positions};
use crate::tables;
use crate::topics::{Notification, Subscription, Topics};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCOUNT: &str = "000000000000";

/// An AWS of one's own, in memory: the project's tables, queues and topics that exist once named, a log of
/// every call, and faults on demand. Clones share it.
///
/// It is an SDK `HttpClient`, so clients that are built elsewhere can be given it too.
#[derive(Clone)]
pub struct Aws {
    pub(crate) world: Arc<World>,
}

pub(crate) struct World {
    pub clock: Clock,
    pub database: Database,
    pub tokens: Mutex<Tokens>,
    pub streams: Mutex<Positions>,
    pub queues: Mutex<Queues>,
    pub topics: Mutex<Topics>,
    pub secrets: Mutex<Secrets>,
    pub mails: Mutex<Vec<SentMail>>,
    pub sockets: Mutex<Sockets>,
    pub metrics: Mutex<Metrics>,
    pub log: Mutex<Log>,
    pub faults: Mutex<Faults>,
    pub rewriting: Mutex<Rewriting>,
    pub observer: Mutex<Observer>,
    pub latency: Mutex<Latency>,
    pub holding: Mutex<Holding>,
    pub patience: Mutex<Option<Duration>>,
}

/// When its time begins, since 1970.
const BEGINNING: Duration = Duration::from_secs(1_790_000_000);

impl Aws {
    /// A fresh one with the project's tables. Its time begins at the same moment each time, on an afternoon in September 2026, and
    /// goes on with tokio's: no test depends on the time of day.
    ///
    /// # Panics
    /// If `template.yaml` describes a table that `DynamoDB` would refuse.
    pub fn new() -> Self {
        Self::starting_at(UNIX_EPOCH + BEGINNING)
    }

    /// As [`new`](Self::new), with a beginning of its own.
    pub fn starting_at(time: SystemTime) -> Self {
        let clock = Clock::starting_at(time);
        let database = tables::database(clock);
        let world = World {
            clock,
            database,
            tokens: Mutex::default(),
            streams: Mutex::default(),
            queues: Mutex::default(),
            topics: Mutex::default(),
            secrets: Mutex::default(),
            mails: Mutex::default(),
            sockets: Mutex::default(),
            metrics: Mutex::default(),
            log: Mutex::default(),
            faults: Mutex::default(),
            rewriting: Mutex::default(),
            observer: Mutex::default(),
            latency: Mutex::default(),
            holding: Mutex::default(),
            patience: Mutex::default(),
        };
        Self { world: Arc::new(world) }
    }

    /// The time here: the start plus what has passed on tokio's clock.
    pub fn now(&self) -> SystemTime {
        self.world.clock.now()
    }

    // Clients

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        clients::dynamodb(self)
    }

    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        clients::secrets_manager(self)
    }

    pub fn streams(&self) -> aws_sdk_dynamodbstreams::Client {
        clients::streams(self)
    }

    pub fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        clients::cloudwatch(self)
    }

    /// Its endpoint is that of any WebSocket API.
    pub fn connections(&self) -> aws_sdk_apigatewaymanagement::Client {
        clients::connections(self)
    }

    pub fn ses(&self) -> aws_sdk_sesv2::Client {
        clients::ses(self)
    }

    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        clients::sqs(self)
    }

    pub fn sns(&self) -> aws_sdk_sns::Client {
        clients::sns(self)
    }

    // Calls and faults

    /// Every HTTP request so far, in order; the SDK's retries are calls of their own.
    pub fn calls(&self) -> Calls {
        lock(&self.world.log).calls()
    }

    /// Empties [`calls`](Self::calls) and [`count`](Self::count); [`Attempt::nth`] counts on.
    pub fn forget_calls(&self) {
        lock(&self.world.log).forget();
    }

    /// How many of the [`calls`](Self::calls) were of this operation.
    pub fn count(&self, operation: &str) -> usize {
        lock(&self.world.log).count(operation)
    }

    /// Asks this before each call from now on what shall become of it. Replaces what was injected before.
    pub fn inject(&self, ask: impl FnMut(&Attempt<'_>) -> Fault + Send + 'static) {
        lock(&self.world.faults).set(ask);
    }

    /// From now on a call for which this gives a body has its effect with that one, whatever else becomes of it. For
    /// looking at what a caller would do without something that it asks for.
    pub fn rewrite(&self, rewrite: impl FnMut(&Attempt<'_>) -> Option<String> + Send + 'static) {
        lock(&self.world.rewriting).set(rewrite);
    }

    /// No faults from now on.
    pub fn heal(&self) {
        lock(&self.world.faults).clear();
    }

    /// Each call takes this long on tokio's clock from now on, before it has an effect.
    pub fn every_call_takes(&self, latency: Duration) {
        *lock(&self.world.latency) = Latency::always(latency);
    }

    /// The same, with a time for each that the seed draws, in whole milliseconds.
    pub fn calls_take(&self, least: Duration, most: Duration, seed: u64) {
        *lock(&self.world.latency) = Latency::between(least, most, seed);
    }

    /// From now on a transaction holds its items for a time that the seed draws, in whole milliseconds, before it commits.
    /// One that meets a held item is refused, with a `TransactionConflict` for each of them.
    pub fn transactions_hold_items(&self, least: Duration, most: Duration, seed: u64) {
        lock(&self.world.holding).set(Latency::between(least, most, seed));
    }

    /// Shows this every call that had its effect from now on. It must not make calls.
    pub fn observe(&self, see: impl FnMut(&Effect<'_>) + Send + 'static) {
        lock(&self.world.observer).set(see);
    }

    /// From now on calls are not kept: for runs with millions of them.
    pub fn keep_no_calls(&self) {
        lock(&self.world.log).keeps_nothing = true;
    }

    /// Clients that are made from now on give up after this time, and an attempt after half of it, as those of
    /// `lambda::aws` do.
    pub fn patience(&self, patience: Duration) {
        *lock(&self.world.patience) = Some(patience);
    }

    /// Queues and topics do from now on what AWS does not rule out, as the seed draws it.
    pub fn disturb(&self, seed: u64, disturbance: Disturbance) {
        lock(&self.world.queues).disturb(seed, disturbance);
    }

    /// No longer.
    pub fn settle(&self) {
        lock(&self.world.queues).settle();
    }

    pub fn disturbed(&self) -> Disturbed {
        lock(&self.world.queues).disturbed()
    }

    // DynamoDB

    /// Puts an entry into the registry; all its attributes are text.
    ///
    /// # Panics
    /// If it lacks its keys, or an attribute is not text.
    pub fn register(&self, attributes: &Value) {
        tables::put_texts(&self.world.database, tables::TABLES.registry, attributes);
    }

    /// Puts an item into a table: plain JSON, as [`items`](Self::items) shows it.
    ///
    /// # Panics
    /// If it lacks its keys.
    pub fn insert(&self, table: &str, item: &Value) {
        tables::put(&self.world.database, table, &plain::typed(item));
    }

    pub fn database(&self) -> &Database {
        &self.world.database
    }

    /// All items of a table as plain JSON (`{"S": "x"}` is `"x"`), sorted by key.
    pub fn items(&self, table: &str) -> Vec<Value> {
        tables::items(&self.world.database, table)
    }

    /// Whether an index of a table has an item with this key, of text: name and value.
    pub fn has_any(&self, table: &str, index: &str, key: (&str, &str)) -> bool {
        tables::has_any(&self.world.database, table, index, key)
    }

    /// What Lambda hands to the consumer of the table's stream, for everything written since the last call:
    /// `{"Records": […]}`, possibly none, however many there are.
    ///
    /// # Panics
    /// If the table has no stream in `template.yaml`.
    pub fn stream_event(&self, table: &str) -> Value {
        lock(&self.world.streams).event(&self.world.database, table)
    }

    /// What Lambda sends to the on-failure destination of the table's stream for a batch that it gave up: where the
    /// records are, not what is in them.
    ///
    /// # Panics
    /// If the batch is no [`stream_event`](Self::stream_event), or empty.
    pub fn on_failure_record(&self, stream_event: &Value) -> Value {
        streams::on_failure_record(stream_event, self.now())
    }

    // SQS

    /// Gives the queue a redrive policy: what was received `max_receives` times and would be received again moves to
    /// the dead-letter queue, at the moment of that receive.
    pub fn dead_letter_queue(&self, queue_url: &str, dead_letters_url: &str, max_receives: u32) {
        lock(&self.world.queues).set_redrive_policy(queue_url, dead_letters_url, max_receives);
    }

    /// One round of Lambda's poller: receives up to `max` messages, hands them to the handler as the event it parses,
    /// and deletes those that its partial batch response does not name. Says how many it handed over; with none, the
    /// handler is not called.
    ///
    /// As on AWS, a response that names an unknown message, or that cannot be read as one, is a failure of the whole
    /// batch: nothing is deleted. What is not deleted is visible again when the visibility is over.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
    /// # async fn handle(_: SqsEvent) -> SqsBatchResponse { SqsBatchResponse::default() }
    /// # async fn test(aws: testkit::Aws, orders: &str) {
    /// while aws.poll(orders, 10, Duration::from_secs(30), handle).await > 0 {}
    /// # }
    /// ```
    ///
    /// # Panics
    /// If the event cannot be read as the handler's.
    pub async fn poll<E: DeserializeOwned, R: Serialize>(
        &self,
        queue_url: &str,
        max: usize,
        visibility: Duration,
        handler: impl AsyncFnOnce(E) -> R,
    ) -> usize {
        let messages = self.receive(queue_url, max, visibility);
        if messages.is_empty() {
            return 0;
        }
        let event = serde_json::from_value(Self::sqs_event(&messages)).expect("an event that the handler can read");
        let response = serde_json::to_value(handler(event).await).unwrap_or_else(|error| json!(error.to_string()));
        for message in sqs::succeeded(&messages, &response) {
            self.delete(message);
        }
        messages.len()
    }

    /// Of messages that were handed over as an event, those that Lambda deletes after this answer.
    pub fn succeeded<'a>(messages: &'a [Message], response: &Value) -> Vec<&'a Message> {
        sqs::succeeded(messages, response)
    }

    /// Puts a message into a queue past its API, whatever is in it.
    pub fn put(&self, queue_url: &str, group: Option<&str>, deduplication_id: Option<&str>, body: &str) {
        let mut message = Message::new(queue_url, body.to_owned(), self.now());
        message.group = group.map(str::to_owned);
        message.deduplication_id = deduplication_id.map(str::to_owned);
        lock(&self.world.queues).send(message, Duration::ZERO);
    }

    /// Removes messages past the API, in flight or not. Says how many.
    pub fn remove(&self, queue_url: &str, which: impl Fn(&Message) -> bool) -> usize {
        lock(&self.world.queues).remove(queue_url, which)
    }

    /// The messages that redrive policies have moved since this was last asked.
    pub fn take_buried(&self) -> Vec<Message> {
        lock(&self.world.queues).take_buried()
    }

    pub fn is_empty(&self, queue_url: &str) -> bool {
        lock(&self.world.queues).is_empty(queue_url)
    }

    /// When the queue has a message to receive, if it has any: now, or when the first one is no longer held back.
    pub fn next_receive(&self, queue_url: &str) -> Option<SystemTime> {
        lock(&self.world.queues).next_receive(queue_url, self.now())
    }

    /// Everything in the queue, in order, in flight or not.
    pub fn messages(&self, queue_url: &str) -> Vec<Message> {
        lock(&self.world.queues).messages(queue_url)
    }

    /// Takes up to `max` visible messages as Lambda's poller does, in no need of a client; they stay
    /// invisible for this time, and a FIFO queue holds back the rest of their groups.
    pub fn receive(&self, queue_url: &str, max: usize, visibility: Duration) -> Vec<Message> {
        lock(&self.world.queues).receive(queue_url, max, visibility, self.now())
    }

    /// Deletes what was [received](Self::receive), as Lambda's poller does after success. Says whether the
    /// message is gone: no if a FIFO queue has made it visible again.
    pub fn delete(&self, message: &Message) -> bool {
        let handle = message.receipt_handle.as_deref().unwrap_or_default();
        lock(&self.world.queues).delete(&message.queue_url, handle, self.now()).is_ok()
    }

    /// What Lambda hands to a queue's consumer for these messages.
    pub fn sqs_event(messages: &[Message]) -> Value {
        sqs::sqs_event(messages)
    }

    /// A queue's URL, as AWS would have it. FIFO if the name ends with `.fifo`.
    pub fn queue_url(name: &str) -> String {
        format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
    }

    /// The ARN that belongs to a queue's URL.
    pub fn queue_arn(queue_url: &str) -> String {
        let name = queue_url.rsplit('/').next().unwrap_or(queue_url);
        format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
    }

    // SNS

    /// From now on the queue gets what is published to the topic, raw; what cannot be delivered goes to the dead letters
    /// of the subscription, if it has any.
    pub fn subscribe(&self, topic_arn: &str, queue_url: &str, dead_letters_url: Option<&str>) {
        let (queue_url, dead_letters_url) = (queue_url.to_owned(), dead_letters_url.map(str::to_owned));
        lock(&self.world.topics).subscribe(topic_arn, Subscription { queue_url, dead_letters_url, types: None });
    }

    /// From now on the queue, which is subscribed, gets what has one of these values in the attribute `type` alone.
    pub fn filter(&self, topic_arn: &str, queue_url: &str, types: &[String]) {
        lock(&self.world.topics).filter(topic_arn, queue_url, types);
    }

    /// Everything published to the topic, in order.
    pub fn published(&self, topic_arn: &str) -> Vec<Notification> {
        lock(&self.world.topics).published(topic_arn)
    }

    /// What was published to the topic since this was last asked, in order; it is forgotten.
    pub fn take_published(&self, topic_arn: &str) -> Vec<Notification> {
        lock(&self.world.topics).take_published(topic_arn)
    }

    /// A topic's ARN, as AWS would have it.
    pub fn topic_arn(name: &str) -> String {
        format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}")
    }

    // SES

    /// Every mail that was sent, in order.
    pub fn mails(&self) -> Vec<SentMail> {
        lock(&self.world.mails).clone()
    }

    // API Gateway's connections

    /// Opens a WebSocket connection of this id. What is posted to it is kept until it is [taken](Self::take_frames).
    pub fn connect(&self, id: &str) {
        lock(&self.world.sockets).open(id);
    }

    /// Closes it: whoever posts to it from now on hears that it is gone, and what was not taken is lost.
    pub fn disconnect(&self, id: &str) {
        lock(&self.world.sockets).close(id);
    }

    /// Whether nobody has closed it.
    pub fn is_connected(&self, id: &str) -> bool {
        lock(&self.world.sockets).is_open(id)
    }

    /// The frames that were posted to an open connection since this was last asked, in order.
    pub fn take_frames(&self, id: &str) -> Vec<Value> {
        lock(&self.world.sockets).take(id)
    }

    // CloudWatch

    /// Puts a value of a metric, of this namespace and name: what [`GetMetricData`](Self::cloudwatch) is answered from.
    pub fn put_metric(&self, metric: (&str, &str), dimensions: &[(&str, &str)], at: SystemTime, value: f64) {
        lock(&self.world.metrics).put(metric, dimensions, at, value);
    }

    /// From now on a page of an answer has no more values than that.
    pub fn page_metrics(&self, values: usize) {
        lock(&self.world.metrics).set_page(values);
    }

    // Secrets Manager

    /// Gives the secret this value, in place of what it held.
    pub fn put_secret(&self, arn: &str, text: &str) {
        lock(&self.world.secrets).put(arn, text, self.now());
    }

    /// A secret's ARN, as AWS would have it.
    pub fn secret_arn(name: &str) -> String {
        format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf")
    }
}

impl Default for Aws {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("calls", &self.calls().len()).finish_non_exhaustive()
    }
}

/// A test that panicked on purpose must not break what it looks at next.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
