//! Requests as the HTTP API hands them to a function, and answers.

use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use testkit::gateway;

const GATEWAY_EVENT: &str = include_str!("../../events/aws/query.json");

/// A request by a machine client. `target` is path and query.
pub fn request(method: &str, target: &str, client: &str, content_type: &str, body: Option<&str>) -> Request {
    let scope = "waybill/submit waybill/read waybill/operate";
    let claims = json!({ "client_id": client, "sub": client, "scope": scope });
    let mut event = gateway::event(GATEWAY_EVENT, method, target, Some(&claims), body);
    event["headers"] = json!({ "host": "api.example", "content-type": content_type });
    gateway::request::<&str>(&event, &[])
}

/// Status, body, and the version that an entity tag names.
pub struct Answer {
    pub status: u16,
    pub text: String,
    pub version: Option<u64>,
}

impl Answer {
    pub fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let text = match body {
            Body::Text(text) => text,
            Body::Empty => String::new(),
            other => panic!("functions answer in text, not {other:?}"),
        };
        let tag = parts.headers.get("etag").and_then(|tag| tag.to_str().ok());
        let version = tag.and_then(|tag| tag.trim_matches('"').parse().ok());
        Self { status: parts.status.as_u16(), text, version }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}
