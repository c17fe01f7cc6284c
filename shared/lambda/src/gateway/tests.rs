use lambda_http::http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::http;
use crate::request::{Parameters, path};

const RECORDED: &str = include_str!("../../../../events/aws/query.json");

fn event(method: &str, target: &str, headers: Value) -> Value {
    let mut event = testkit::gateway::event(RECORDED, method, target, None, None);
    event["headers"] = headers;
    event
}

/// What a function makes of the request: its method, path, query and body.
async fn echo(request: Request) -> Response<Body> {
    let parameters = Parameters::of(&request);
    let said = json!({
        "method": request.method().as_str(),
        "path": path(&request, ""),
        "status": parameters.text("status"),
        "body": String::from_utf8_lossy(request.body().as_ref()),
    });
    http::json(StatusCode::OK, &said)
}

async fn served(event: &Value) -> Value {
    serve(&event.to_string(), echo).await
}

fn body(answer: &Value) -> Value {
    let text = answer["body"].as_str().expect("text");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

#[tokio::test]
async fn characters_that_no_url_has_are_read_as_they_are() {
    for (query, status) in [
        (r#"status=a"b"#, r#"a"b"#),
        ("status=a b", "a b"),
        ("status=<a>", "<a>"),
        ("status=a|b^{c}`\\", "a|b^{c}`\\"),
        ("status=ä%C3%A4", "ää"),
        ("status=100%", "100%"),
    ] {
        let answer = served(&event("GET", &format!("/orders?{query}"), json!({}))).await;
        assert_eq!((&answer["statusCode"], &body(&answer)["status"]), (&json!(200), &json!(status)), "{query}");
    }
    let answer = served(&event("GET", r#"/or "ders"/<1>"#, json!({}))).await;
    assert_eq!(body(&answer)["path"], r#"or "ders"/<1>"#);
}

#[tokio::test]
async fn headers_that_make_no_url_are_ignored() {
    for (name, value) in [
        ("x-forwarded-proto", "https,http"),
        ("x-forwarded-proto", "1"),
        ("x-forwarded-proto", ""),
        ("host", "a b"),
        ("host", ""),
        ("host", "[::1"),
        ("host", "a:b:c"),
    ] {
        let answer = served(&event("GET", "/orders", json!({ name: value }))).await;
        assert_eq!((&answer["statusCode"], &body(&answer)["path"]), (&json!(200), &json!("orders")), "{name}: {value}");
    }
}

#[tokio::test]
async fn a_query_that_is_no_text_once_decoded_is_a_problem() {
    for query in ["status=%ff", "%C3%28=1", "a=%ED%A0%80"] {
        let answer = served(&event("GET", &format!("/orders?{query}"), json!({}))).await;
        assert_eq!(answer["statusCode"], 400, "{query}");
        assert_eq!(body(&answer)["type"], "urn:waybill:problem:bad-request");
    }
}

#[tokio::test]
async fn what_is_no_request_is_a_problem() {
    let mut bad_body = event("POST", "/commands", json!({}));
    bad_body["body"] = json!("no base64!");
    bad_body["isBase64Encoded"] = json!(true);
    let bad_header = event("GET", "/orders", json!({ "x": "a\u{0}b" }));
    let bad_method = event("G T", "/orders", json!({}));
    for event in [bad_body, bad_header, bad_method, json!({}), json!([]), json!("x")] {
        let answer = served(&event).await;
        assert_eq!(answer["statusCode"], 400, "{event}");
        assert_eq!(answer["headers"]["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_its_content() {
    let get = served(&event("GET", "/orders?status=a", json!({}))).await;
    let head = served(&event("HEAD", "/orders?status=a", json!({}))).await;
    assert_eq!(body(&get)["method"], "GET");
    assert_eq!(head["body"], "");
    assert_eq!((&head["statusCode"], &head["headers"]), (&get["statusCode"], &get["headers"]));
    let refused = served(&event("HEAD", "/orders?status=%ff", json!({}))).await;
    assert_eq!((&refused["statusCode"], &refused["body"]), (&json!(400), &json!("")));
}

#[tokio::test]
async fn every_answer_says_that_the_host_is_for_tls_and_its_media_type_holds() {
    let events = [event("GET", "/", json!({})), event("HEAD", "/", json!({})), json!({})];
    for event in events {
        let headers = &served(&event).await["headers"];
        assert_eq!(headers["strict-transport-security"], "max-age=31536000");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,24}",
        r#"[/?#%&=+:;@,"<>\\ .{}|^`0-9a-fA-F-]{0,24}"#,
        Just("https,http".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "(host|x-forwarded-proto|x-forwarded-for|x-forwarded-port|cookie|content-type|if-none-match|prefer)",
        "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}",
        text(),
    ]
}

proptest! {
    #[test]
    fn no_event_makes_a_function_panic(
        method in prop_oneof![4 => "(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH)", 1 => text()],
        path in text(),
        query in text(),
        headers in proptest::collection::hash_map(name(), text(), 0..6),
        cookies in proptest::option::of(proptest::collection::vec(text(), 0..3)),
        content in proptest::option::of(text()),
        base64 in any::<bool>(),
        stage in prop_oneof![Just("$default".to_owned()), text()],
    ) {
        let mut event = event(&method, "/", json!(headers));
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["path"] = json!(path);
        event["requestContext"]["stage"] = json!(stage);
        event["rawQueryString"] = json!(query);
        event["cookies"] = json!(cookies);
        event["body"] = json!(content);
        event["isBase64Encoded"] = json!(base64);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let answer = runtime.block_on(served(&event));
        prop_assert!([200, 400].map(|status| json!(status)).contains(&answer["statusCode"]), "{answer}");
    }
}
