//! Being a webhook's target: the handshake of CloudEvents webhooks 1.0.2, section 4, by which a sender asks whether its
//! events are wanted here.
//!
//! No token comes with it, and it lets nobody in: every delivery needs a token and a grant, as any command does.

use lambda::http::set;
use lambda::settings::{BadSetting, Environment};
use lambda_http::http::header::{ALLOW, CACHE_CONTROL, HeaderName};
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Request, Response};

const REQUEST_ORIGIN: &str = "webhook-request-origin";
const REQUEST_RATE: &str = "webhook-request-rate";
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Who may deliver, and how fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhooks {
    /// DNS names, in lower case; `*` for every sender.
    origins: Vec<String>,
    /// Requests a minute.
    rate: u64,
}

impl Webhooks {
    /// `origins` are separated by commas or white space. `rate` is in requests a second.
    pub fn new(origins: &str, rate: u32) -> Self {
        let origins = origins.split(|c: char| c == ',' || c.is_whitespace()).filter(|origin| !origin.is_empty());
        Self { origins: origins.map(str::to_ascii_lowercase).collect(), rate: u64::from(rate.max(1)) * 60 }
    }

    /// `WEBHOOK_ORIGINS`, without which nobody is let, and `REQUEST_RATE`, which is what the API lets through a second.
    pub fn from_environment(environment: &Environment) -> Result<Self, BadSetting> {
        match environment.optional("WEBHOOK_ORIGINS") {
            None => Ok(Self::new("", 1)),
            Some(origins) => Ok(Self::new(origins, environment.parsed("REQUEST_RATE")?)),
        }
    }

    /// The answer to OPTIONS; `allow` lists the methods of the path. Permission is in its headers and not in its
    /// status. It is given at once, so a `WebHook-Request-Callback` is not called.
    pub(crate) fn answer(&self, request: &Request, allow: &str) -> Response<Body> {
        let mut answer = Response::new(Body::Empty);
        *answer.status_mut() = StatusCode::NO_CONTENT;
        set(&mut answer, ALLOW, allow);
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let asked = |name: &'static str| request.headers().get(name);
        if let Some(origin) = asked(REQUEST_ORIGIN).and_then(|origin| self.allowed(origin)) {
            headers.insert(ALLOWED_ORIGIN, origin);
            let wanted = asked(REQUEST_RATE).and_then(|rate| rate.to_str().ok()?.trim().parse::<u64>().ok());
            let rate = wanted.filter(|wanted| (1..self.rate).contains(wanted)).unwrap_or(self.rate);
            headers.insert(ALLOWED_RATE, rate.into());
        }
        answer
    }

    /// What to answer an origin that may deliver: its own name or, where all may, `*`.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.origins.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        let name = origin.to_str().ok()?.trim();
        self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)).then(|| origin.clone())
    }
}
