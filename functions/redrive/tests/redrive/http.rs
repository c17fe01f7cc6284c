//! `POST /redrive` and `GET /dead-letters/{queue}`, for platform operators.

use std::time::Duration;

use bench::http::{self, Answer};
use bench::platform::register_operator;
use bench::sealing::seal;
use kernel::cloud_event::CloudEvent;
use kernel::timestamp::Timestamp;
use lambda::run::Wake;
use recovery::{Failure, MessageGroup, Returning};
use redrive::{Redrive, Request};
use serde_json::{Value, json};
use testkit::Aws;
use tokio::time::Instant;

struct Api {
    aws: Aws,
    redrive: Redrive,
}

impl Api {
    fn new() -> Self {
        let aws = Aws::new();
        register_operator(&aws, "user:olga", None);
        register_operator(&aws, "user:tina", Some("acme"));
        Self { redrive: crate::settings::redrive(&aws), aws }
    }

    async fn post(&self, principal: &str, body: &str) -> (u16, Value) {
        self.post_to("/redrive", principal, "waybill/operate", body).await
    }

    async fn post_to(&self, target: &str, principal: &str, scope: &str, body: &str) -> (u16, Value) {
        self.asked("POST", target, principal, scope, Some(body)).await
    }

    async fn look(&self, principal: &str, queue: &str) -> (u16, Value) {
        self.asked("GET", &format!("/dead-letters/{queue}"), principal, "waybill/operate", None).await
    }

    async fn asked(
        &self,
        method: &'static str,
        target: &str,
        principal: &str,
        scope: &str,
        body: Option<&str>,
    ) -> (u16, Value) {
        let answer = self.send(method, target, principal, scope, body).await;
        (answer.status.as_u16(), answer.json())
    }

    /// As the function's own event, to the answer that the gateway gets.
    async fn send(
        &self,
        method: &'static str,
        target: &str,
        principal: &str,
        scope: &str,
        body: Option<&str>,
    ) -> Answer {
        let claims = json!({ "sub": principal, "client_id": "console", "scope": scope });
        let request = http::Request::get(target).method(method).by(claims).media_type("application/json");
        let event = request.body(body.unwrap_or_default()).event();
        let Wake::<Request>::Http(event) = serde_json::from_value(event).expect("a request") else {
            panic!("it is a request of the API");
        };
        let finish_by = Instant::now() + Duration::from_mins(5);
        let handle = |request| self.redrive.handle(request, self.aws.now().into(), finish_by);
        let path = target.split('?').next().unwrap_or_default();
        Answer::served(event.get(), handle).await.hold(method, path)
    }
}

#[tokio::test(start_paused = true)]
async fn a_platform_operator_gets_the_report_of_a_run() {
    let api = Api::new();
    let (status, report) = api.post("olga", "").await;
    assert_eq!((status, &report["dryRun"]), (200, &json!(false)), "{report}");
    let queues = messaging::Queues::new("").pairs(catalog::CONTEXTS.iter().map(|context| context.name)).len();
    assert_eq!(report["queues"].as_array().map(Vec::len), Some(queues), "{report}");
    let (status, report) = api.post("olga", r#"{"context":"orders","dryRun":true}"#).await;
    assert_eq!((status, &report["dryRun"], &report["queues"][0]["name"]), (200, &json!(true), &json!("orders")));
    assert_eq!(report["queues"].as_array().map(Vec::len), Some(1), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_tenants_operator_is_refused_for_the_queues_are_everybodys() {
    let api = Api::new();
    api.aws.forget_calls();
    let (status, problem) = api.post("tina", "{}").await;
    assert_eq!((status, &problem["type"]), (403, &json!("urn:waybill:problem:not-permitted")), "{problem}");
    let (status, _) = api.post("nobody", "{}").await;
    assert_eq!(status, 403);
    assert!(api.aws.calls().iter().all(|call| call.operation == "Query"), "nothing but the registry was asked");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_understood_is_refused_and_nothing_is_sent() {
    let api = Api::new();
    for body in ["no JSON", "[]", r#"{"contxt":"orders"}"#, r#"{"context":"nowhere"}"#, r#"{"dryRun":"yes"}"#] {
        let (status, problem) = api.post("olga", body).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:waybill:problem:bad-request")), "{body}: {problem}");
    }
    assert_eq!(api.aws.count("ReceiveMessage"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_beside_the_body_or_a_token_without_the_scope_starts_no_run() {
    let api = Api::new();
    for target in ["/redrive?dryRun=true", "/redrive?context=orders"] {
        let (status, problem) = api.post_to(target, "olga", "waybill/operate", "{}").await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:waybill:problem:bad-request")), "{problem}");
    }
    for scope in ["", "openid waybill/read waybill/submit"] {
        let (status, problem) = api.post_to("/redrive", "olga", scope, "{}").await;
        assert_eq!((status, &problem["type"]), (403, &json!("urn:waybill:problem:not-permitted")), "{problem}");
    }
    assert_eq!(api.aws.count("ReceiveMessage"), 0);
}

// A look at the dead letters

/// A queued command, sealed by ingest's rules, of an order.
fn order(subject: &str, id: &str) -> String {
    let event = CloudEvent::builder(id, "https://shop.example/checkout", "SubmitOrder")
        .subject(subject)
        .datacontenttype("application/json")
        .data_json(&json!({}));
    seal("acme", event, Timestamp::from_millis(1_768_435_200_000)).1
}

impl Api {
    async fn bury(&self, queue: &str, body: &str, group: Option<&str>, attempts: u32) {
        let route = self.redrive.ways.iter().find(|route| route.name == queue).expect("a route");
        let group = group.map_or(MessageGroup::None, |group| MessageGroup::Ordered(group.to_owned()));
        let deduplication_id = self.aws.calls().len().to_string();
        let failure = Failure { attempts, error: Some("the store is down".to_owned()), ..Failure::default() };
        route
            .dead_letters
            .bury(vec![Returning { body: body.to_owned(), group, deduplication_id, failure }])
            .await
            .expect("buried");
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_shown_with_their_error_and_when_they_are_due() {
    let api = Api::new();
    let begin: Timestamp = api.aws.now().into();
    api.bury("orders", &order("O-1", "c1"), Some("acme/orders/O-1"), 1).await;
    api.bury("orders", &order("O-1", "c2"), Some("acme/orders/O-1"), 0).await;
    api.bury("orders", &order("O-2", "c3"), Some("acme/orders/O-2"), 0).await;
    api.bury("orders", &order("O-3", "c4"), Some("acme/orders/O-3"), 10).await;
    api.bury("orders", "no command", Some("x"), 0).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let (status, told) = api.look("olga", "orders").await;
    assert_eq!((status, &told["name"], &told["waiting"]), (200, &json!("orders"), &json!(5)), "{told:#}");
    let letters = told["letters"].as_array().expect("letters");
    let next: Vec<_> = letters.iter().map(|letter| letter["next"].as_str().expect("text")).collect();
    assert_eq!(next, ["wait", "wait", "send-back", "park", "send-back"], "{told:#}");
    let first = &letters[0];
    assert_eq!((&first["tenant"], &first["context"]), (&json!("acme"), &json!("orders")));
    assert_eq!((&first["type"], &first["subject"]), (&json!("SubmitOrder"), &json!("O-1")));
    assert_eq!((&first["error"], &first["attempts"]), (&json!("the store is down"), &json!(1)));
    assert_eq!(first["deadSince"], json!(begin));
    // A first attempt failed, so it waits five minutes, and up to a quarter more.
    let due = first["dueAt"].as_str().and_then(Timestamp::parse).expect("a time").since(begin);
    assert!(due >= Duration::from_mins(5) && due <= Duration::from_secs(375), "{due:?}");
    assert_eq!(letters[1]["dueAt"], first["dueAt"], "not before the one ahead of it");
    assert_eq!((&letters[2]["dueAt"], letters[3].get("dueAt")), (&json!(begin), None));
    assert_eq!((letters[4].get("tenant"), letters[4].get("operation")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_partners_event_is_shown_as_far_as_it_can_be_read_and_goes_back_as_it_came() {
    let api = Api::new();
    let event = json!({ "specversion": "1.0", "id": "1", "source": "https://supplier.example/", "type": "OrderShipped",
        "subject": "O-1", "tenantid": "acme", "data": {} })
    .to_string();
    api.bury("partners", &event, None, 0).await;
    api.bury("partners", "no event", None, 0).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let (_, told) = api.look("olga", "partners").await;
    let letters = told["letters"].as_array().expect("letters");
    let seen = |letter: &Value| ["type", "subject", "tenant"].map(|name| letter.get(name).cloned());
    assert_eq!(seen(&letters[0]), [Some(json!("OrderShipped")), Some(json!("O-1")), None], "{told:#}");
    assert_eq!(seen(&letters[1]), [None, None, None], "{told:#}");
    let (_, report) = api.post("olga", r#"{"context":"partners"}"#).await;
    assert_eq!(report["queues"][0]["redriven"], 2, "{report:#}");
    let sent = api.aws.messages(&api.redrive.ways.iter().find(|way| way.name == "partners").expect("a way").queue_url);
    assert!(sent.iter().any(|message| message.body == event), "{sent:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_look_at_the_dead_letters_takes_nothing_from_a_run() {
    let api = Api::new();
    for nth in 0..12 {
        let subject = format!("O-{nth}");
        api.bury("orders", &order(&subject, &subject), Some(&format!("acme/orders/{subject}")), 0).await;
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let (_, told) = api.look("olga", "orders").await;
    assert_eq!((told["letters"].as_array().map(Vec::len), &told["waiting"]), (Some(10), &json!(12)), "ten at most");
    let (_, report) = api.post("olga", r#"{"context":"orders","dryRun":true}"#).await;
    assert_eq!((&report["queues"][0]["found"], &report["queues"][0]["unseen"]), (&json!(12), &json!(0)), "{report:#}");
    let (_, again) = api.look("olga", "orders").await;
    assert_eq!(again, told, "and a run that is over has given back what it looked at");
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_for_platform_operators_and_of_queues_that_there_are() {
    let api = Api::new();
    api.aws.forget_calls();
    for principal in ["tina", "nobody"] {
        let (status, problem) = api.look(principal, "orders").await;
        assert_eq!((status, &problem["type"]), (403, &json!("urn:waybill:problem:not-permitted")), "{problem}");
    }
    let (status, problem) = api.look("olga", "nowhere").await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:waybill:problem:not-found")), "{problem}");
    assert_eq!(api.aws.count("ReceiveMessage"), 0);
    let (status, told) = api.look("olga", "read_model_updater").await;
    assert_eq!((status, &told["letters"]), (200, &json!([])));
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_run_waits_for_no_back_off() {
    let api = Api::new();
    api.bury("read_model_updater", "an event", None, 9).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let scheduled =
        api.redrive.run(&Request::default(), api.aws.now().into(), Instant::now() + Duration::from_mins(5)).await;
    assert!(scheduled.queues.iter().all(|queue| queue.redriven == 0), "{scheduled:#?}");
    let (_, report) = api.post("olga", r#"{"context":"read_model_updater"}"#).await;
    assert_eq!(report["queues"][0]["redriven"], 1, "{report:#}");
}

#[tokio::test(start_paused = true)]
async fn another_method_another_path_and_a_parameter_are_refused_and_nothing_is_sent() {
    let api = Api::new();
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = api.send(method, "/redrive", "olga", "waybill/operate", Some("{}")).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "POST", "{method}");
    }
    let answer = api.send("POST", "/redrive?dryRun=true", "olga", "waybill/operate", Some("{}")).await;
    assert_eq!(answer.status, 400, "{answer:#?}");
    assert!(answer.text.contains("dryRun"), "{answer:#?}");
    assert_eq!(api.aws.count("ReceiveMessage"), 0);
}

#[test]
fn the_schedules_event_asks_for_everything() {
    let Wake::Event(request) = serde_json::from_str::<Wake<Request>>("{}").expect("an event") else {
        panic!("it is no request of the API");
    };
    assert_eq!(request, Request::default());
    let by_hand = r#"{"context":"orders","byHand":true,"dryRun":true}"#;
    assert!(matches!(serde_json::from_str(by_hand), Ok(Wake::<Request>::Event(_))));
}
