//! A client of the deployed stack.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_sqs::Client as SqsClient;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use testkit::openapi::Description;
use ureq::Agent;
use ureq::http::response::Parts;
use ureq::http::{HeaderMap, Request, Response};

/// What is waited for comes within this, on a slow machine and after redeliveries; if not, the test fails.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// This answer, which must have that status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// The `type` of a problem, without what they all begin with.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        problem["type"].as_str().expect("a type").trim_start_matches("urn:waybill:problem:").to_owned()
    }
}

/// A client of the API with a token: a machine, or an application with a user.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    pub url: String,
    token: Option<String>,
}

/// What the deployed stack says of itself.
pub fn stack() -> Value {
    let file =
        std::env::var("WAYBILL_STACK").expect("WAYBILL_STACK describes a deployed stack: use `cargo xtask test`");
    let text = std::fs::read_to_string(Path::new(&file)).expect("the stack's description");
    serde_json::from_str(&text).expect("the stack's description is JSON")
}

/// The stack's queues, as another service in the account sees them.
pub fn sqs() -> SqsClient {
    let stack = stack();
    let text = |name: &str| stack[name].as_str().unwrap_or_else(|| panic!("no {name} in the description")).to_owned();
    let credentials = Credentials::new(text("access_key_id"), text("secret_access_key"), None, None, "description");
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(text("region")))
        .endpoint_url(text("endpoint"))
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    SqsClient::from_conf(config)
}

/// Invokes a function as its schedule does; gives what it returns, or its error.
pub fn invoke(function: &str) -> Result<Value, String> {
    invoke_with(function, "{}")
}

/// Invokes a function with that event; gives what it returns, or its error.
pub fn invoke_with(function: &str, event: &str) -> Result<Value, String> {
    let stack = stack();
    let text = |name: &str| stack[name].as_str().unwrap_or_else(|| panic!("no {name} in the description"));
    // The local stack wants to know who asks, and does not look at the signature.
    let scope = format!("{}/20260101/{}/lambda/aws4_request", text("access_key_id"), text("region"));
    let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let url = format!("{}/2015-03-31/functions/{function}/invocations?Qualifier=live", text("endpoint"));
    let agent: Agent = Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let answer = agent.post(url).header("authorization", signature).send(event);
    let mut answer = answer.map_err(|error| error.to_string())?;
    let returned = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    if answer.headers().contains_key("x-amz-function-error") {
        return Err(returned);
    }
    serde_json::from_str(&returned).map_err(|error| format!("{error}: {returned}"))
}

/// An id that no other test and no earlier run has used.
pub fn fresh(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let micros = SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_micros();
    format!("{prefix}-{micros:x}-{:x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asks until there is an answer.
#[track_caller]
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match ask() {
            Ok(found) => return found,
            Err(seen) if started.elapsed() > PATIENCE => panic!("{what}: not within {PATIENCE:?}; last seen: {seen}"),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
    config.timeout_global(Some(PATIENCE)).build().into()
}

#[track_caller]
fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_else(|| panic!("no {name} in {object}"))
}

/// What the identity provider's sign-in page posts, and the authorization code that it sends back to the application.
fn sign_in(application: &Value, user: &Value) -> String {
    let form = [
        ("client_id", text(application, "client_id")),
        ("redirect_uri", text(application, "callback_url")),
        ("response_type", "code"),
        ("scope", "openid waybill/submit waybill/read"),
        ("username", text(user, "username")),
        ("password", text(user, "password")),
    ];
    let page = format!("{}/login", text(&stack(), "sign_in_url"));
    let answer = agent().post(page).send_form(form).expect("the sign-in page answers");
    let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
    let code = location.and_then(|location| location.split_once("code=")).map(|(_, code)| code);
    let code = code.unwrap_or_else(|| panic!("nobody is signed in: {answer:?}"));
    code.split('&').next().expect("a split has a first part").to_owned()
}

impl Client {
    pub fn of(tenant: &str) -> Self {
        Self::with_scope(tenant, "waybill/submit waybill/read")
    }

    /// An operator's machine client, by the name of their registration.
    pub fn operator(name: &str) -> Self {
        Self::with_credentials(&stack()["operators"][name], "waybill/operate")
    }

    /// A client with fewer rights.
    pub fn with_scope(tenant: &str, scope: &str) -> Self {
        Self::with_credentials(&stack()["tenants"][tenant], scope)
    }

    fn with_credentials(credentials: &Value, scope: &str) -> Self {
        Self::with_grant(credentials, &[("grant_type", "client_credentials"), ("scope", scope)])
    }

    /// The user of the tenant, signed in through the application that users have.
    pub fn user_of(tenant: &str) -> Self {
        Self::signed_in(&stack()["tenants"][tenant]["user"])
    }

    /// Somebody with a password in the stack's user pool, signed in through that application.
    pub fn signed_in(user: &Value) -> Self {
        let application = &stack()["users_client"];
        let callback = text(application, "callback_url");
        let code = sign_in(application, user);
        let grant = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", callback)];
        Self::with_grant(application, &grant)
    }

    fn with_grant(credentials: &Value, grant: &[(&str, &str)]) -> Self {
        let (stack, agent) = (stack(), agent());
        let names = ["client_id", "client_secret"];
        let form = names.map(|name| (name, text(credentials, name))).into_iter().chain(grant.iter().copied());
        let mut answer = agent.post(text(&stack, "token_url")).send_form(form).expect("the token endpoint answers");
        let token: Value = answer.body_mut().read_json().expect("a token as JSON");
        let token = text(&token, "access_token").to_owned();
        Self { agent, url: text(&stack, "api_url").to_owned(), token: Some(token) }
    }

    pub fn token(&self) -> &str {
        self.token.as_deref().expect("a token")
    }

    pub fn without_token(mut self) -> Self {
        self.token = None;
        self
    }

    /// Sends a request to a path of the API, or to a whole URL that it gave out.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (parts, text) =
            self.exchange(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        self.answer(method, path, parts, text)
    }

    /// The same where what answers may die: 502 is the gateway's word for a function that did, 503 the function's own for
    /// what it depends on.
    pub fn attempt(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, String> {
        let (parts, text) = self.exchange(method, path, headers, body)?;
        if parts.status == 502 {
            return Err(format!("{parts:?}: {text}"));
        }
        let answer = self.answer(method, path, parts, text);
        if answer.status == 503 { Err(format!("{answer:?}")) } else { Ok(answer) }
    }

    /// Posts one event and goes away before the answer.
    pub fn post_and_leave(&self, event: &Value) {
        let (host, path) = self.url.strip_prefix("http://").and_then(|url| url.split_once('/')).expect("host and path");
        let (token, body) = (self.token(), event.to_string());
        let request = format!(
            "POST /{path}/commands HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/cloudevents+json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(host).expect("the API listens");
        stream.write_all(request.as_bytes()).expect("the API takes the request");
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(Parts, String), String> {
        let mut request = Request::builder().method(method).uri(self.whole(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match method {
            "GET" | "HEAD" | "OPTIONS" => self.agent.run(request.body(()).expect("a request")),
            _ => self.agent.run(request.body(body.to_owned()).expect("a request")),
        };
        let mut answer: Response<ureq::Body> = answer.map_err(|error| error.to_string())?;
        let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        Ok((answer.into_parts().0, text))
    }

    fn answer(&self, method: &str, path: &str, parts: Parts, text: String) -> Answer {
        self.hold_to_its_description(method, &self.whole(path), &parts, &text);
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    fn whole(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) }
    }

    /// Whatever a test asks of the API, `openapi.yaml` must have promised the answer.
    fn hold_to_its_description(&self, method: &str, url: &str, answer: &Parts, body: &str) {
        let path = url.strip_prefix(&self.url).unwrap_or_else(|| panic!("{url} is not the API's"));
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        // The operators' page is none of the API's.
        if !path.starts_with("/console") {
            Description::read().hold(method, path, answer, body);
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// Posts one event in structured mode.
    pub fn post(&self, event: &Value) -> Answer {
        self.send("POST", "/commands", &[("content-type", "application/cloudevents+json")], &event.to_string())
    }

    /// Posts one event that must be taken; gives its operation's URL.
    #[track_caller]
    pub fn submit(&self, event: &Value) -> String {
        let answer = self.post(event).expect(202);
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
        answer.header("location").to_owned()
    }

    /// Follows an operation until nothing changes any more.
    #[track_caller]
    pub fn outcome(&self, operation: &str) -> Value {
        wait_for(operation, || {
            let answer = self.get(operation);
            if answer.status != 200 {
                return Err(format!("{answer:?}"));
            }
            let operation = answer.json();
            match operation["status"].as_str() {
                Some("succeeded" | "rejected" | "parked") => Ok(operation),
                _ => Err(operation.to_string()),
            }
        })
    }

    /// Follows an operation that must succeed; gives its resource's URL, which asks for the version it made.
    #[track_caller]
    pub fn succeeded(&self, operation: &str) -> String {
        let operation = self.outcome(operation);
        assert_eq!(operation["status"], "succeeded", "{operation:#}");
        operation["resource"]["href"].as_str().unwrap_or_else(|| panic!("no resource in {operation:#}")).to_owned()
    }

    /// Reads a resource as soon as it is there.
    #[track_caller]
    pub fn read(&self, resource: &str) -> Answer {
        wait_for(resource, || {
            let answer = self.get(resource);
            if answer.status == 200 { Ok(answer) } else { Err(format!("{answer:?}")) }
        })
    }

    /// An aggregate's events.
    pub fn history(&self, path: &str) -> Vec<Value> {
        let answer = self.get(&format!("{path}/history"));
        answer.expect(200).json().as_array().expect("a batch of events").clone()
    }
}

/// A `SubmitOrder` of one line at 12.50 EUR.
pub fn submit_order(order: &str, customer: &str) -> Value {
    json!({
        "specversion": "1.0", "id": fresh("submit"), "source": "https://shop.example/checkout",
        "type": "SubmitOrder", "subject": order,
        "data": { "customer": customer, "onAccount": true,
                  "lines": [{ "sku": "TEA", "quantity": 1, "unitPrice": { "amount": 1250, "currency": "EUR" } }] }
    })
}

/// A command without much to say, for an order that exists.
pub fn to_order(command: &str, order: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": fresh("command"), "source": "https://shop.example/desk",
        "type": command, "subject": order, "data": data
    })
}
