//! `POST /redrive`, for platform operators.

use std::time::Duration;

use lambda::run::Incoming;
use redrive::{Redrive, Request};
use serde_json::{Value, json};
use testkit::openapi::Description;
use testkit::{Aws, gateway};
use tokio::time::Instant;

const GATEWAY_EVENT: &str = include_str!("../../../../events/aws/operator.json");

struct Api {
    aws: Aws,
    redrive: Redrive,
}

impl Api {
    fn new() -> Self {
        let aws = Aws::new();
        let api = Self { redrive: crate::settings::redrive(&aws), aws };
        api.aws.register(&json!({ "registry_key": "operator#olga", "entry": "operator" }));
        api.aws.register(&json!({ "registry_key": "operator#tina", "entry": "operator", "tenant": "acme" }));
        api
    }

    async fn post(&self, principal: &str, body: &str) -> (u16, Value) {
        self.post_to("/redrive", principal, "waybill/operate", body).await
    }

    async fn post_to(&self, target: &str, principal: &str, scope: &str, body: &str) -> (u16, Value) {
        let claims = json!({ "sub": principal, "client_id": "console", "scope": scope });
        let event = gateway::event(GATEWAY_EVENT, "POST", target, Some(&claims), Some(body));
        let Incoming::<Request>::Http(request) = serde_json::from_value(event).expect("a request") else {
            panic!("it is a request of the API");
        };
        let finish_by = Instant::now() + Duration::from_mins(5);
        let answer = self.redrive.answer(*request, self.aws.now().into(), finish_by).await;
        let (parts, body) = answer.into_parts();
        let text = std::str::from_utf8(&body).expect("text");
        Description::read().hold("POST", "/redrive", &parts, text);
        (parts.status.as_u16(), serde_json::from_str(text).expect("JSON"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_platform_operator_gets_the_report_of_a_run() {
    let api = Api::new();
    let (status, report) = api.post("olga", "").await;
    assert_eq!((status, &report["dryRun"]), (200, &json!(false)), "{report}");
    assert_eq!(report["queues"].as_array().map(Vec::len), Some(catalog::CONTEXTS.len() + 3), "{report}");
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

#[test]
fn the_schedules_event_asks_for_everything() {
    let Incoming::Event(request) = serde_json::from_str::<Incoming<Request>>("{}").expect("an event") else {
        panic!("it is no request of the API");
    };
    assert_eq!(request, Request::default());
    let by_hand = r#"{"context":"orders","byHand":true,"dryRun":true}"#;
    assert!(matches!(serde_json::from_str(by_hand), Ok(Incoming::<Request>::Event(_))));
}
