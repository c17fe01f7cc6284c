//! Requests as the HTTP API hands them to a function.

use lambda_http::Request;
use lambda_http::http::{HeaderName, HeaderValue, Response};
use serde_json::{Value, json};

/// The event of another request than the recorded one, which is text of `events/aws/`: `target` is path and query, and
/// without claims nobody has signed in. Headers stay as they were recorded.
///
/// # Panics
/// If what was recorded is not JSON.
pub fn event(recorded: &str, method: &str, target: &str, claims: Option<&Value>, body: Option<&str>) -> Value {
    let mut event: Value = serde_json::from_str(recorded).expect("the gateway's event is JSON");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    event["routeKey"] = json!(format!("{method} {path}"));
    event["rawPath"] = json!(path);
    event["rawQueryString"] = json!(query);
    event["queryStringParameters"] = Value::Null;
    event["body"] = json!(body);
    event["isBase64Encoded"] = json!(false);
    let context = &mut event["requestContext"];
    context["http"]["method"] = json!(method);
    context["http"]["path"] = json!(path);
    context["authorizer"] = claims.map_or(Value::Null, |claims| json!({ "jwt": { "claims": claims } }));
    event
}

/// What a client gets of the answer that a function gave the HTTP API (payload format 2.0).
///
/// # Panics
/// If it is no such answer.
pub fn answered(answer: &Value) -> Response<String> {
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
    let mut response = Response::builder().status(status);
    for (name, value) in answer["headers"].as_object().expect("headers") {
        response = response.header(name, value.as_str().expect("text"));
    }
    response.body(answer["body"].as_str().expect("a body of text").to_owned()).expect("an answer")
}

/// The request that `lambda_http` makes of it, with these headers in place of recorded ones of their names. Those that
/// HTTP does not allow never reach a function and are left out.
///
/// # Panics
/// If it is no event of an HTTP API.
pub fn request<V: AsRef<[u8]>>(event: &Value, headers: &[(String, V)]) -> Request {
    let mut request = lambda_http::request::from_str(&event.to_string()).expect("a gateway's event");
    for (name, _) in headers {
        request.headers_mut().remove(name);
    }
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_ref())) {
            request.headers_mut().append(name, value);
        }
    }
    request
}
