//! A client's request, as the HTTP API hands it to the function.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use testkit::gateway;

/// What API Gateway sends: the shape, the context and the claims of every request here.
const GATEWAY_EVENT: &str = include_str!("../../../../events/aws/ingest.json");

/// A request in the making.
#[derive(Clone)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub claims: Option<Value>,
}

impl Request {
    fn new(headers: Vec<(String, Vec<u8>)>, body: impl Into<Vec<u8>>) -> Self {
        let claims = Some(client("shop-client"));
        Self { method: "POST", path: "/commands".to_owned(), headers, body: body.into(), claims }
    }

    /// All of the event in the body.
    pub fn structured(event: &(impl ToString + ?Sized)) -> Self {
        Self::of_type("application/cloudevents+json", event.to_string())
    }

    pub fn batch(events: &[Value]) -> Self {
        Self::of_type("application/cloudevents-batch+json", json!(events).to_string())
    }

    pub fn of_type(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(vec![("content-type".to_owned(), content_type.into())], body)
    }

    /// Attributes as headers, `data` as the body.
    pub fn binary(event: &Value) -> Self {
        let mut headers = Vec::new();
        for (name, value) in event.as_object().expect("an event is an object") {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match name.as_str() {
                "data" => {}
                "datacontenttype" => headers.push(("content-type".to_owned(), value.into_bytes())),
                _ => headers.push((format!("ce-{name}"), value.into_bytes())),
            }
        }
        let body = event.get("data").map(ToString::to_string).unwrap_or_default();
        Self::new(headers, body)
    }

    pub fn raw(headers: Vec<(String, Vec<u8>)>, body: impl Into<Vec<u8>>) -> Self {
        Self::new(headers, body)
    }

    pub fn by(mut self, claims: Value) -> Self {
        self.claims = Some(claims);
        self
    }

    pub fn without_claims(mut self) -> Self {
        self.claims = None;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Through the gateway's JSON, as in production, but for the headers: that JSON holds each name once and in text
    /// only, and some tests are about what does not fit into it.
    pub fn into_http(self) -> lambda_http::Request {
        let body = BASE64.encode(&self.body);
        let mut event = gateway::event(GATEWAY_EVENT, self.method, &self.path, self.claims.as_ref(), Some(&body));
        event["isBase64Encoded"] = json!(true);
        event["headers"] = json!({ "host": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com" });
        gateway::request(&event, &self.headers)
    }
}

/// The claims of a machine client: it is its own subject.
pub fn client(id: &str) -> Value {
    json!({ "client_id": id, "sub": id, "scope": "waybill/submit", "token_use": "access" })
}

/// The claims of a user who signed in through an application.
pub fn user(id: &str, tenant: Option<&str>) -> Value {
    let mut claims = json!({ "client_id": "the-web-application", "sub": id, "scope": "openid waybill/submit" });
    if let Some(tenant) = tenant {
        claims["custom:tenant"] = json!(tenant);
    }
    claims
}
