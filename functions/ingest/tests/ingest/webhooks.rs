//! Being a webhook's target: the handshake, and answers without a body.

use bench::{Answer, Request};
use kernel::cloud_event::CloudEvent;
use serde_json::json;

use crate::api::{Api, submit_order, with};

async fn ask(api: &Api, headers: &[(&str, &str)]) -> Answer {
    let request = Request::raw(Vec::new(), "").method("OPTIONS").without_claims();
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let answer = api.send(request).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, "OPTIONS, POST, PUT"));
    answer
}

/// The permission in it: to whom, and how many requests a minute.
fn permission(answer: &Answer) -> Option<(&str, &str)> {
    let header = |name| answer.headers.get(name).map(|value| value.to_str().expect("text"));
    Some((header("webhook-allowed-origin")?, header("webhook-allowed-rate")?))
}

const ORIGIN: &str = "WebHook-Request-Origin";
const RATE: &str = "WebHook-Request-Rate";

#[tokio::test]
async fn a_sender_that_may_deliver_is_told_so_by_its_name_and_without_a_call() {
    let api = Api::with_webhooks("eventgrid.azure.net, Events.Example.com", 100);
    for origin in ["eventgrid.azure.net", "events.example.com", "EVENTS.example.COM"] {
        assert_eq!(permission(&ask(&api, &[(ORIGIN, origin)]).await), Some((origin, "6000")));
    }
    assert_eq!(api.aws.calls().len(), 0, "{}", api.aws.calls());
}

#[tokio::test]
async fn nobody_else_is_told_and_nobody_at_all_unless_there_is_a_setting() {
    let api = Api::with_webhooks("eventgrid.azure.net", 100);
    for origin in
        ["azure.net", "x.eventgrid.azure.net", "eventgrid.azure.net.evil.example", "", "*", "eventgrid.azure.net,x"]
    {
        assert_eq!(permission(&ask(&api, &[(ORIGIN, origin)]).await), None, "{origin}");
    }
    assert_eq!(permission(&ask(&api, &[]).await), None, "not a handshake");
    assert_eq!(permission(&ask(&api, &[("origin", "https://app.example")]).await), None, "not a handshake");
    assert_eq!(permission(&ask(&Api::new(), &[(ORIGIN, "eventgrid.azure.net")]).await), None);
}

#[tokio::test]
async fn with_a_star_every_sender_may_deliver() {
    let api = Api::with_webhooks("*", 1);
    assert_eq!(permission(&ask(&api, &[(ORIGIN, "anybody.example")]).await), Some(("*", "60")));
}

#[tokio::test]
async fn a_sender_gets_the_rate_that_it_asks_for_as_far_as_the_api_goes() {
    let api = Api::with_webhooks("*", 2);
    for (asked, allowed) in
        [("1", "1"), ("119", "119"), ("120", "120"), ("121", "120"), ("99999999999999999999999", "120")]
    {
        let answer = ask(&api, &[(ORIGIN, "a.example"), (RATE, asked)]).await;
        assert_eq!(permission(&answer), Some(("*", allowed)), "{asked}");
    }
    for nonsense in ["0", "-1", "1.5", "", "many", "*"] {
        let answer = ask(&api, &[(ORIGIN, "a.example"), (RATE, nonsense)]).await;
        assert_eq!(permission(&answer), Some(("*", "120")), "{nonsense}");
    }
}

#[tokio::test]
async fn a_callback_is_not_called_for_the_answer_says_it_all() {
    let api = Api::with_webhooks("*", 2);
    let callback = ("WebHook-Request-Callback", "https://169.254.169.254/latest/meta-data");
    assert!(permission(&ask(&api, &[(ORIGIN, "a.example"), callback]).await).is_some());
    assert_eq!(api.aws.calls().len(), 0);
}

#[tokio::test]
async fn a_delivery_needs_a_token_whatever_the_handshake_said() {
    let api = Api::with_webhooks("*", 2);
    let delivery = Request::structured(&submit_order()).header(ORIGIN, "a.example");
    api.send(delivery.clone().without_claims()).await.refused("unauthenticated");
    api.send(delivery).await.accepted();
}

#[tokio::test]
async fn who_prefers_no_body_gets_none_and_can_follow_the_location() {
    let api = Api::new();
    for request in [Request::structured(&submit_order()), Request::structured(&submit_order()).method("PUT")] {
        let answer = api.send(request.header("prefer", "respond-async, Return=minimal")).await.accepted();
        assert_eq!(answer.text, "");
        assert_eq!(answer.header("preference-applied"), "return=minimal");
        assert_eq!(answer.header("retry-after"), "1");
        assert!(answer.header("location").starts_with("https://api.example/operations/"));
        assert!(!answer.headers.contains_key("content-type"));
    }
    let batch = Request::batch(&[with(submit_order(), &json!({ "id": "another" }))]);
    let answer = api.send(batch.header("prefer", "return=minimal")).await.accepted();
    assert_eq!(answer.text, "");

    let answer =
        api.send(Request::structured(&submit_order()).header("prefer", "return=representation")).await.accepted();
    assert!(!answer.headers.contains_key("preference-applied"));
    answer.operation();
}

#[tokio::test]
async fn a_refusal_says_why_whatever_is_preferred() {
    let api = Api::new();
    let event = with(submit_order(), &json!({ "type": "DoNothing" }));
    let request = Request::structured(&event).header("prefer", "return=minimal");
    assert_eq!(api.send(request).await.refused("unknown-type").attribute.as_deref(), Some("type"));
}

#[tokio::test]
async fn a_trace_goes_into_the_command_with_what_was_added_to_it_on_the_way() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const LATER: &str = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later";
    const OWN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let sent = async |request: Request| {
        let api = Api::new();
        api.send(request).await.accepted();
        let (_, command) = api.only_command("orders");
        let text = |event: &CloudEvent, name: &str| event.extension(name).map(ToString::to_string);
        (text(&command, "traceparent").expect("a trace"), text(&command, "tracestate"))
    };
    let plain = || Request::structured(&submit_order());
    let of = |event: &serde_json::Value| Request::structured(event);
    let state = || Some("rojo=1,congo=2".to_owned());

    let both = plain().header("traceparent", PARENT).header("tracestate", "rojo=1, congo=2");
    assert_eq!(sent(both).await, (PARENT.to_owned(), state()));
    let later = plain().header("traceparent", LATER).header("tracestate", "rojo=1,congo=2");
    assert_eq!(sent(later).await, (PARENT.to_owned(), state()));

    let own = with(submit_order(), &json!({ "traceparent": OWN, "tracestate": "rojo=1,congo=2" }));
    assert_eq!(
        sent(of(&own).header("traceparent", PARENT).header("tracestate", "a=1")).await,
        (OWN.to_owned(), state())
    );
    let stateless = with(submit_order(), &json!({ "traceparent": OWN }));
    assert_eq!(
        sent(of(&stateless).header("traceparent", PARENT).header("tracestate", "a=1")).await,
        (OWN.to_owned(), None)
    );

    let mut binary = Request::binary(&with(submit_order(), &json!({ "traceparent": OWN })));
    binary = binary.header("ce-tracestate", "rojo=1,congo=2");
    assert_eq!(sent(binary).await, (OWN.to_owned(), state()), "a list, so a comma is no second header");

    for (parent, lost) in [("nonsense", "rojo=1"), (PARENT, "no state"), (PARENT, "a=1,a=1")] {
        let (_, state) = sent(plain().header("traceparent", parent).header("tracestate", lost)).await;
        assert_eq!(state, None, "{parent} {lost}");
    }
    let without = with(submit_order(), &json!({ "tracestate": "rojo=1" }));
    assert_eq!(sent(of(&without)).await.1, None, "a state of no trace");
}
