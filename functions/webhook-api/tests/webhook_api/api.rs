//! The API under test: the office, an AWS of its own, and what the dispatcher and the sender would have left there.

use std::time::Duration;

use bench::platform::{environment, register_operator, webhooks};
use bench::{Answer, Request};
use kernel::ids::{StreamId, TenantId};
use kernel::timestamp::Timestamp;
use messaging::webhooks::Look;
use serde_json::{Value, json};
use store::webhooks::progress::{Failing, Position, Progress};
use store::webhooks::{Endpoint, EndpointId, Health, Left, Off, Taken, Webhooks};
use testkit::{Aws, TABLES};
use webhook_api::Office;

pub const URL: &str = "https://hooks.acme.example/in";

pub struct Api {
    pub aws: Aws,
    pub office: Office,
    pub webhooks: Webhooks,
}

/// By `desk`, an operator of the tenant `demo`, unless said otherwise.
pub fn get(target: impl Into<String>) -> Request {
    Request::get(target).by(client("desk"))
}

pub fn post(target: impl Into<String>, body: &Value) -> Request {
    get(target).method("POST").media_type("application/json").body(body.to_string())
}

pub fn put(target: impl Into<String>, body: &Value) -> Request {
    post(target, body).method("PUT")
}

pub fn delete(target: impl Into<String>) -> Request {
    get(target).method("DELETE")
}

/// The claims of a machine client.
pub fn client(id: &str) -> Value {
    bench::http::client(id, "waybill/operate")
}

/// All requests about the endpoint of this id; each of them is as it should be.
pub fn about(id: &str) -> Vec<Request> {
    vec![
        get(format!("/webhooks/{id}")),
        put(format!("/webhooks/{id}"), &json!({ "url": URL })),
        post(format!("/webhooks/{id}/secrets"), &json!({})),
        delete(format!("/webhooks/{id}/secrets")),
        post(format!("/webhooks/{id}/off"), &json!({})),
        post(format!("/webhooks/{id}/on"), &json!({})),
        post(format!("/webhooks/{id}/retry"), &json!({})),
        post(format!("/webhooks/{id}/resend"), &json!({ "from": "2026-01-15T09:00:00Z" })),
        get(format!("/webhooks/{id}/deliveries")),
        delete(format!("/webhooks/{id}")),
    ]
}

impl Api {
    /// With the operators `desk` (of the tenant `demo`), `neighbour` (of `other`) and `root` (the platform's).
    pub fn new() -> Self {
        let aws = Aws::new();
        let added = [("WEBHOOK_DESTINATIONS", "http://127.0.0.1:8080")];
        let office = Office::from_environment(&environment().with(added), aws.dynamodb(), aws.sqs());
        let webhooks = Webhooks::new(aws.dynamodb(), TABLES.webhooks);
        let api = Self { office: office.expect("good settings"), webhooks, aws };
        register_operator(&api.aws, "client:desk", Some("demo"));
        register_operator(&api.aws, "client:neighbour", Some("other"));
        register_operator(&api.aws, "client:root", None);
        api
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// Asks, and holds the answer against the API's description.
    pub async fn send(&self, request: Request) -> Answer {
        request.answered(|request| self.office.handle(request, self.now())).await
    }

    pub async fn get(&self, target: impl Into<String>) -> Answer {
        self.send(get(target)).await
    }

    pub async fn post(&self, target: impl Into<String>, body: Value) -> Answer {
        self.send(post(target, &body)).await
    }

    /// Registers an endpoint of `demo`, and forgets that the sender was told. Gives its id.
    pub async fn registers(&self, body: &Value) -> String {
        let answer = self.send(post("/webhooks", body)).await;
        assert_eq!(answer.status, 201, "{answer:#?}");
        self.woken();
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// One that gets all events.
    pub async fn endpoint(&self) -> String {
        self.registers(&json!({ "url": URL })).await
    }

    pub async fn detail(&self, id: &str) -> Value {
        self.get(format!("/webhooks/{id}")).await.ok().json()
    }

    /// As it is stored.
    pub async fn stored(&self, id: &str) -> Endpoint {
        self.webhooks.endpoint(&demo(id)).await.expect("an answer").expect("an endpoint")
    }

    /// Endpoints that the sender was told to look at since this was asked last.
    pub fn woken(&self) -> Vec<String> {
        let looks = self.aws.messages(&webhooks()).into_iter().map(|message| serde_json::from_str(&message.body));
        let endpoints = looks.map(|look: Result<Look, _>| look.expect("a look").endpoint).collect();
        self.aws.remove(&webhooks(), |_| true);
        endpoints
    }

    /// All items of the webhooks' table, to tell whether something changed.
    pub fn everything(&self) -> Vec<Value> {
        self.aws.items(TABLES.webhooks)
    }

    // What happens behind the API

    /// The dispatcher notes that an event of this version happened.
    pub async fn notes(&self, id: &str, stream: &str, version: u64) {
        self.webhooks.note(&demo(id), &demo_stream(stream), version, self.now()).await.expect("noted");
    }

    /// The sender has sent all up to this version.
    pub async fn sends(&self, id: &str, stream: &str, version: u64) {
        self.notes(id, stream, version).await;
        let progress = self.at(id, stream, version).await;
        self.webhooks.caught_up(&demo(id), &progress, self.now()).await.expect("noted");
    }

    /// The sender has sent all up to this version, and the next one was not taken. Held, it is tried no more.
    pub async fn fails(&self, id: &str, stream: &str, version: u64, held: bool) {
        self.notes(id, stream, version + 1).await;
        let now = self.now();
        let failing = Failing { attempts: 3, since: now, at: now, answer: "503".to_owned(), held };
        let mut progress = self.at(id, stream, version).await;
        progress.failing = Some(failing);
        progress.due = Some(now.plus(Duration::from_mins(5)));
        self.webhooks.keep(&demo(id), &progress).await.expect("noted");
    }

    async fn at(&self, id: &str, stream: &str, version: u64) -> Progress {
        let mut progress = self.progress(id, stream).await.expect("it was noted");
        progress.done = Some(Position { version, commit: version });
        progress.sent_at = Some(self.now());
        progress
    }

    pub async fn progress(&self, id: &str, stream: &str) -> Option<Progress> {
        self.webhooks.find(&demo(id), &demo_stream(stream)).await.expect("an answer")
    }

    /// The sender leaves the endpoint behind like this.
    pub async fn leaves(&self, id: &str, health: Health, not_before: Option<Timestamp>, off: Option<Off>) {
        let (now, until) = (self.now(), self.now().plus(Duration::from_mins(1)));
        let taken = self.webhooks.take(&demo(id), now, until).await.expect("an answer");
        let Taken::Yes(_, lease) = taken else { panic!("{taken:?}") };
        let left = Left { health, not_before, off, look_at: until };
        assert!(self.webhooks.give_back(&demo(id), lease, &left).await.expect("an answer"));
    }
}

pub fn demo(id: &str) -> EndpointId {
    EndpointId::read(TenantId::parse("demo").expect("a tenant"), id).expect("an id")
}

pub fn demo_stream(stream: &str) -> StreamId {
    StreamId::parse(&format!("demo/{stream}")).expect("a stream")
}

/// Pointers of a problem's complaints.
pub fn pointers(problem: &kernel::problem::Problem) -> Vec<&str> {
    problem.errors.iter().filter_map(|complaint| complaint.pointer.as_deref()).collect()
}
