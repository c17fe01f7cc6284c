//! Requests of clients as the HTTP API hands them to a function, and answers, held against `openapi.yaml`.

use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kernel::problem::Problem;
use lambda_http::http::{HeaderMap, StatusCode};
use lambda_http::{Body, Response};
use serde_json::{Value, json};
use testkit::gateway;
use testkit::openapi::Description;

use crate::platform::PUBLIC_URL;

/// What API Gateway sends: the shape, the context and the headers of every request here.
const GATEWAY_EVENT: &str = include_str!("../../../events/aws/query.json");

/// A request in the making.
#[derive(Clone)]
pub struct Request {
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub claims: Option<Value>,
}

impl Request {
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET", target: target.into(), headers: Vec::new(), body: Vec::new(), claims: None }
    }

    pub fn post(target: impl Into<String>) -> Self {
        Self::get(target).method("POST")
    }

    /// A command by the machine client `shop-client`, all of it in the body.
    pub fn structured(event: &(impl ToString + ?Sized)) -> Self {
        Self::of_type("application/cloudevents+json", event.to_string())
    }

    pub fn batch(events: &[Value]) -> Self {
        Self::of_type("application/cloudevents-batch+json", json!(events).to_string())
    }

    /// A command's attributes as headers, and its data as the body.
    pub fn binary(event: &Value) -> Self {
        let mut request = Self::raw(Vec::new(), event.get("data").map(ToString::to_string).unwrap_or_default());
        for (name, value) in event.as_object().expect("an event is an object") {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            request = match name.as_str() {
                "data" => request,
                "datacontenttype" => request.media_type(&value),
                _ => request.header(&format!("ce-{name}"), &value),
            };
        }
        request
    }

    /// Something like a command, of this media type.
    pub fn of_type(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::raw(Vec::new(), body).media_type(media_type)
    }

    pub fn raw(headers: Vec<(String, Vec<u8>)>, body: impl Into<Vec<u8>>) -> Self {
        Self { headers, ..Self::post("/commands").body(body).by(client("shop-client", "waybill/submit")) }
    }

    #[must_use]
    pub fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    #[must_use]
    pub fn to(self, target: impl Into<String>) -> Self {
        Self { target: target.into(), ..self }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The body's media type, in place of another.
    #[must_use]
    pub fn media_type(mut self, media_type: &str) -> Self {
        self.headers.retain(|(name, _)| name != "content-type");
        self.header("content-type", media_type)
    }

    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// By somebody with a token of these claims.
    #[must_use]
    pub fn by(self, claims: Value) -> Self {
        Self { claims: Some(claims), ..self }
    }

    #[must_use]
    pub fn without_claims(self) -> Self {
        Self { claims: None, ..self }
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The gateway's event.
    pub fn event(&self) -> Value {
        let mut event = self.without_headers();
        for (name, value) in &self.headers {
            event["headers"][name] = json!(std::str::from_utf8(value).expect("the gateway's headers are text"));
        }
        event
    }

    /// Through the gateway's event, but for the headers: an event holds each name once and in text only, and some tests
    /// are about what does not fit into it.
    pub fn into_http(self) -> lambda_http::Request {
        gateway::request(&self.without_headers(), &self.headers)
    }

    fn without_headers(&self) -> Value {
        let text = std::str::from_utf8(&self.body).ok().filter(|_| self.is_text());
        let body = text.map_or_else(|| BASE64.encode(&self.body), str::to_owned);
        let body = (!body.is_empty()).then_some(body);
        let claims = self.claims.as_ref();
        let mut event = gateway::event(GATEWAY_EVENT, self.method, &self.target, claims, body.as_deref());
        event["isBase64Encoded"] = json!(text.is_none());
        event
    }

    /// Whether the gateway takes the body for text. It does not know CloudEvents' media types.
    fn is_text(&self) -> bool {
        let media_type = self.headers.iter().find(|(name, _)| name == "content-type");
        media_type.is_some_and(|(_, value)| value.starts_with(b"application/json") || value.starts_with(b"text/"))
    }

    /// What the function answers, held against the API's description.
    pub async fn answered<A>(self, handle: impl FnOnce(lambda_http::Request) -> A) -> Answer
    where
        A: Future<Output = Response<Body>>,
    {
        let (method, path) = (self.method, self.path().to_owned());
        Answer::of(Box::pin(handle(self.into_http())).await).hold(method, &path)
    }
}

/// The claims of a machine client: it is its own subject.
pub fn client(id: &str, scope: &str) -> Value {
    json!({ "client_id": id, "sub": id, "scope": scope, "token_use": "access" })
}

/// The claims of a user who signed in through an application.
pub fn user(application: &str, id: &str, tenant: Option<&str>, scope: &str) -> Value {
    let mut claims = json!({ "client_id": application, "sub": id, "scope": format!("openid {scope}") });
    if let Some(tenant) = tenant {
        claims["custom:tenant"] = json!(tenant);
    }
    claims
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn of(answer: Response<Body>) -> Self {
        let (parts, body) = answer.into_parts();
        let text = match body {
            Body::Text(text) => text,
            Body::Empty => String::new(),
            other => panic!("functions answer in text, not {other:?}"),
        };
        Self { status: parts.status, headers: parts.headers, text }
    }

    /// As the function is invoked: from the gateway's event to what a client gets.
    pub async fn served<A>(event: &str, handle: impl FnOnce(lambda_http::Request) -> A) -> Self
    where
        A: Future<Output = Response<Body>>,
    {
        let answer = Box::pin(lambda::gateway::serve(event, handle)).await;
        Self::of(gateway::answered(&answer).map(Body::Text))
    }

    /// Holds it against the API's description.
    #[must_use]
    pub fn hold(self, method: &str, path: &str) -> Self {
        let (mut parts, ()) = Response::new(()).into_parts();
        (parts.status, parts.headers) = (self.status, self.headers);
        Description::read().hold(method, path, &parts, &self.text);
        Self { status: parts.status, headers: parts.headers, text: self.text }
    }

    #[expect(clippy::return_self_not_must_use, reason = "it asserts")]
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{self:#?}");
        self
    }

    #[expect(clippy::return_self_not_must_use, reason = "it asserts")]
    #[track_caller]
    pub fn accepted(self) -> Self {
        assert_eq!(self.status, StatusCode::ACCEPTED, "{self:#?}");
        self
    }

    /// The refusal, of this kind.
    #[track_caller]
    pub fn refused(self, kind: &str) -> Problem {
        let problem: Problem = serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        assert_eq!(problem.ty, format!("urn:waybill:problem:{kind}"), "{self:#?}");
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(self.header("content-type"), "application/problem+json");
        problem
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// The id of the operation that a command was accepted as.
    #[track_caller]
    pub fn operation(&self) -> String {
        self.json()["id"].as_str().unwrap_or_else(|| panic!("no operation in {self:#?}")).to_owned()
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:#?}"));
        value.to_str().expect("header values are text")
    }

    /// Path and query of the `Link` to the next part, if there is one.
    pub fn next(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().expect("text");
        let target = link.strip_prefix('<')?.split_once(">; rel=\"next\"")?.0;
        Some(target.strip_prefix(PUBLIC_URL).unwrap_or_else(|| panic!("{target} is elsewhere")).to_owned())
    }
}
