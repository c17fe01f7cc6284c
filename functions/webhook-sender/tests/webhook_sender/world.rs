//! Events that are committed, endpoints that get them, and the two functions in between.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use bench::{VISIBILITY, platform};
use http::{Request, Response};
use kernel::ids::{StreamId, TenantId};
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::{WebhookSecret, verify};
use lambda::web::WebClient;
use serde_json::{Value, json};
use store::webhooks::progress::Progress;
use store::webhooks::{Endpoint, EndpointId, EndpointSettings, Errand, PayloadKind, Webhooks, What};
use subscriber::Runner;
use testkit::{Aws, TABLES, Web};
use tokio::time::{Instant, advance};
use webhook_dispatcher::WebhookDispatcher;
use webhook_sender::WebhookSender;

pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);

/// What is held or waits is due.
pub const RETRY: Errand = Errand { what: What::Retry, behind: None };

/// How long the sender's invocations may take: a minute, less the reserve.
const TIMEOUT: Duration = Duration::from_secs(58);

/// What an endpoint got, in order: requests that it has answered, whatever the answer.
#[derive(Debug, Clone)]
pub struct Got {
    pub at: Timestamp,
    pub id: String,
    pub event: Value,
    pub status: u16,
}

impl Got {
    /// Stream and version.
    pub fn event_id(&self) -> String {
        self.event["id"].as_str().expect("an id").to_owned()
    }
}

/// What an endpoint answers.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    Status(u16),
    /// 429, and to come again after so many seconds.
    Busy(u64),
    /// 307, to elsewhere.example.
    Redirect,
    /// Nothing, ever.
    None,
}

impl Reply {
    fn into_response(self) -> Option<Response<String>> {
        let answer = match self {
            Self::Status(status) => Response::builder().status(status),
            Self::Busy(seconds) => Response::builder().status(429).header("retry-after", seconds),
            Self::Redirect => Response::builder().status(307).header("location", "https://elsewhere.example/"),
            Self::None => return None,
        };
        Some(answer.body(String::new()).expect("an answer"))
    }
}

type Answering = dyn FnMut(&Value, Timestamp) -> Reply + Send;

#[derive(Default)]
struct Receiver {
    answering: Option<Box<Answering>>,
    got: Vec<Got>,
    /// Requests that were not answered.
    unanswered: usize,
}

pub struct World {
    pub aws: Aws,
    pub webhooks: Webhooks,
    dispatcher: Runner<WebhookDispatcher>,
    sender: WebhookSender,
    receivers: Arc<Mutex<BTreeMap<String, Receiver>>>,
    /// By stream: commits and versions so far.
    streams: Mutex<BTreeMap<String, (u64, u64)>>,
    began: Instant,
}

pub fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant")
}

pub fn secret(byte: u8) -> WebhookSecret {
    WebhookSecret::from_random([byte; 32])
}

impl World {
    pub fn new() -> Self {
        let aws = Aws::new();
        let receivers: Arc<Mutex<BTreeMap<String, Receiver>>> = Arc::default();
        let (there, clock) = (Arc::clone(&receivers), aws.clone());
        let web = Web::answering(move |request| receive(&there, request, clock.now().into()));
        let environment = platform::environment().with([("TABLE", TABLES.webhooks)]);
        let (queue, dead) = (platform::dispatched(), platform::dead_dispatched());
        let of_dispatcher = environment.with(platform::own_queue(&queue, &dead));
        let dispatcher = WebhookDispatcher::from_environment(&of_dispatcher, aws.dynamodb(), aws.sqs());
        let (queue, dead) = (platform::webhooks(), platform::dead_webhooks());
        let of_sender = environment.with(platform::own_queue(&queue, &dead));
        let web = WebClient::over(web).patient_for(lambda::web::PUBLIC_PATIENCE);
        let sender = WebhookSender::from_environment(&of_sender, aws.dynamodb(), aws.sqs(), web);
        Self {
            webhooks: Webhooks::new(aws.dynamodb(), TABLES.webhooks),
            dispatcher: Runner::from_environment(dispatcher.expect("settings"), &of_dispatcher, aws.sqs())
                .expect("settings"),
            sender: sender.expect("settings"),
            receivers,
            streams: Mutex::default(),
            began: Instant::now(),
            aws,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// An endpoint of the tenant at this host, which takes everything.
    pub async fn register(&self, tenant: &str, host: &str) -> EndpointId {
        self.register_as(tenant, host, |_| ()).await
    }

    pub async fn register_as(
        &self,
        tenant: &str,
        host: &str,
        change: impl FnOnce(&mut EndpointSettings),
    ) -> EndpointId {
        let mut settings = EndpointSettings {
            url: format!("https://{host}/hooks"),
            description: None,
            types: Vec::new(),
            contexts: Vec::new(),
            payload: PayloadKind::Full,
            secrets: vec![secret(7)],
            since: self.now(),
        };
        change(&mut settings);
        let id = EndpointId::draw(self::tenant(tenant));
        self.webhooks.create(&id, &settings, self.now()).await.expect("registered");
        self.receivers.lock().expect("no panic").entry(host.to_owned()).or_default();
        id
    }

    /// From now on the host answers like this.
    pub fn answering(&self, host: &str, answer: impl FnMut(&Value, Timestamp) -> Reply + Send + 'static) {
        let mut receivers = self.receivers.lock().expect("no panic");
        receivers.entry(host.to_owned()).or_default().answering = Some(Box::new(answer));
    }

    /// Commits so many events of a stream together. They are not published.
    pub fn commit(&self, stream: &str, ty: &str, count: u64) -> Vec<Value> {
        let mut streams = self.streams.lock().expect("no panic");
        let (commits, versions) = streams.entry(stream.to_owned()).or_default();
        let first = *versions + 1;
        (*commits, *versions) = (*commits + 1, *versions + count);
        let events: Vec<_> = (0..count)
            .map(|nth| {
                json!({ "type": ty, "schema": 1, "data": { "nth": first + nth }, "operation": "op", "correlation": "co" })
            })
            .collect();
        let item = json!({
            "stream_id": stream, "commit_number": *commits, "first_version": first,
            "events": Value::from(events).to_string(), "committed_at": self.now().millis(),
        });
        self.aws.insert(TABLES.events, &item);
        let commit = serde_json::from_value::<store::event_store::Commit>(item).expect("a commit");
        let events = commit.events().expect("events");
        events.iter().map(published).collect()
    }

    /// The topic hands an event to the dispatcher's queue.
    pub fn publish(&self, event: &Value) {
        self.aws.put(&platform::dispatched(), Some("acme"), None, &event.to_string());
    }

    /// One event of a stream, committed and published.
    pub fn happen(&self, stream: &str, ty: &str) {
        for event in self.commit(stream, ty, 1) {
            self.publish(&event);
        }
    }

    /// What is in the queues is handled; no time passes but what that takes.
    pub async fn settle(&self) {
        while self.step().await {}
    }

    pub async fn dispatch(&self) -> usize {
        let handle = async |batch: SqsEvent| self.dispatcher.handle(batch, self.now(), Instant::now() + TIMEOUT).await;
        self.aws.poll(&platform::dispatched(), 10, VISIBILITY, handle).await
    }

    async fn look(&self) -> usize {
        let handle = async |batch: SqsEvent| self.sender.deliver(batch, self.now(), Instant::now() + TIMEOUT).await;
        self.aws.poll(&platform::webhooks(), 1, 2 * VISIBILITY, handle).await
    }

    async fn step(&self) -> bool {
        // Several functions at a time, each by itself.
        let dispatcher = async {
            let mut handled = 0;
            while self.dispatch().await > 0 {
                handled += 1;
            }
            handled
        };
        let sender = async || {
            let mut handled = 0;
            while self.look().await > 0 {
                handled += 1;
            }
            handled
        };
        let (noted, one, two, three) = tokio::join!(dispatcher, sender(), sender(), sender());
        noted + one + two + three > 0
    }

    pub async fn sweep(&self) {
        // What fails is done by the next one.
        let _ = self.sender.sweep(self.now(), Instant::now() + TIMEOUT).await;
    }

    /// Time passes, with the sweep every minute. Sweeps that would find nothing are passed over.
    pub async fn pass(&self, time: Duration) {
        let end = Instant::now() + time;
        self.settle().await;
        while Instant::now() < end {
            let queues = [platform::dispatched(), platform::webhooks()];
            let received = queues.iter().filter_map(|queue| self.aws.next_receive(queue)).min().map(Timestamp::from);
            let sweep = self.next_sweep(received.unwrap_or(self.now().plus(time)));
            let until = received.map_or(sweep, |received| received.since(self.now()).min(sweep));
            advance(until.max(Duration::from_millis(1)).min(end - Instant::now())).await;
            if until == sweep {
                self.sweep().await;
            }
            self.settle().await;
        }
    }

    /// In how long the next sweep is that finds something, or that comes after this time.
    fn next_sweep(&self, at_the_latest: Timestamp) -> Duration {
        let rows = self.aws.items(TABLES.webhooks);
        let first = rows.iter().filter_map(|row| row["look_at"].as_u64()).min().map(Timestamp::from_millis);
        let until = first.unwrap_or(at_the_latest).min(at_the_latest).since(self.now());
        // Sweeps are at whole minutes since the beginning.
        let minute = MINUTE.as_millis();
        let passed = self.began.elapsed().as_millis();
        let next = (passed + until.as_millis().max(1)).div_ceil(minute) * minute;
        Duration::from_millis(u64::try_from(next - passed).expect("a short time"))
    }

    /// What the host got.
    pub fn got(&self, host: &str) -> Vec<Got> {
        self.receivers.lock().expect("no panic").get(host).map(|receiver| receiver.got.clone()).unwrap_or_default()
    }

    pub fn unanswered(&self, host: &str) -> usize {
        self.receivers.lock().expect("no panic").get(host).map_or(0, |receiver| receiver.unanswered)
    }

    /// The ids of the events that the host has taken, in order.
    pub fn taken(&self, host: &str) -> Vec<String> {
        self.got(host).iter().filter(|got| got.status < 300).map(Got::event_id).collect()
    }

    pub async fn endpoint(&self, id: &EndpointId) -> Endpoint {
        self.webhooks.endpoint(id).await.expect("read").expect("an endpoint")
    }

    pub async fn progress(&self, id: &EndpointId, stream: &str) -> Progress {
        let stream = StreamId::parse(stream).expect("a stream");
        self.webhooks.find(id, &stream).await.expect("read").expect("progress")
    }
}

/// The event as the topic has it.
fn published(event: &kernel::domain_event::RecordedEvent) -> Value {
    serde_json::from_str(&event.to_cloud_event(platform::PUBLIC_URL).to_json()).expect("JSON")
}

/// What the endpoint at a host answers. Whatever comes must be signed.
fn receive(
    receivers: &Mutex<BTreeMap<String, Receiver>>,
    request: &Request<String>,
    now: Timestamp,
) -> Option<Response<String>> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, signed_at, signatures) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    verify(&[secret(7)], id, signed_at, signatures, request.body().as_bytes(), now).expect("a good signature");
    let event: Value = serde_json::from_str(request.body()).expect("JSON");
    let host = request.uri().host().expect("a host");
    let mut receivers = receivers.lock().expect("no panic");
    let receiver = receivers.entry(host.to_owned()).or_default();
    let answer = match &mut receiver.answering {
        None => Reply::Status(204),
        Some(answering) => answering(&event, now),
    };
    let answer = answer.into_response();
    match &answer {
        None => receiver.unanswered += 1,
        Some(answer) => {
            let status = answer.status().as_u16();
            receiver.got.push(Got { at: now, id: id.to_owned(), event, status });
        }
    }
    answer
}

/// Whether each stream's events are there from the first version to the last, in order, repeats aside: a repeat is of what is
/// there already.
pub fn assert_in_order(taken: &[String], streams: &BTreeMap<String, u64>) {
    let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
    for id in taken {
        let (stream, version) = id.rsplit_once('/').expect("an id");
        let version: u64 = version.parse().expect("a version");
        let last = versions.entry(stream).or_default();
        assert!(version <= *last + 1, "{id} comes before version {} of its stream", *last + 1);
        *last = version.max(*last);
    }
    for (stream, count) in streams {
        assert_eq!(versions.get(stream.as_str()), Some(count), "of {stream}");
    }
}
