//! A payment provider for tests and the local stack, with the API that the payment gateway speaks.
//!
//! It keeps in memory what it has charged and given back, does what has the same idempotency key once, and fails as it is
//! told to:
//!
//! | request | for tests |
//! | --- | --- |
//! | `PUT /mode` | `{"mode": "down"}`; with `"customer": "C-7"`, for this customer alone. [`Mode`] has them |
//! | `GET /ledger` | all charges and refunds, those of one customer with `?customer=C-7` |

mod ledger;
mod server;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ledger::Ledger;
pub use crate::ledger::{Charge, Refund, Status};
pub use crate::server::Server;

/// How the provider behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    #[default]
    Fine,
    /// Nobody is charged.
    Declined,
    /// It answers after [`SLOW`].
    Slow,
    /// It answers 503, and does nothing.
    Down,
    /// It does what it is asked to, and the answer is lost.
    Lost,
    /// As lost, and answers to questions are lost as well.
    Silent,
    /// It charges again what has the same key.
    IgnoresKeys,
}

/// How long a slow answer takes.
pub const SLOW: Duration = Duration::from_secs(2);

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    Now(Response<String>),
    After(Duration, Response<String>),
    /// The connection ends without an answer.
    Never,
}

/// The provider.
pub struct Provider {
    api_key: String,
    world: Mutex<World>,
}

#[derive(Default)]
struct World {
    mode: Mode,
    modes: HashMap<String, Mode>,
    ledger: Ledger,
}

impl Provider {
    /// One that lets in whoever has that key.
    pub fn new(api_key: &str) -> Self {
        Self { api_key: api_key.to_owned(), world: Mutex::default() }
    }

    /// From now on, towards this customer, or towards all who have no mode of their own.
    pub fn set_mode(&self, customer: Option<&str>, mode: Mode) {
        let mut world = self.world();
        match customer {
            Some(customer) => drop(world.modes.insert(customer.to_owned(), mode)),
            None => world.mode = mode,
        }
    }

    /// Everything under a key that was to be charged, in order, whatever became of it.
    pub fn charges(&self) -> Vec<Charge> {
        self.world().ledger.charges.clone()
    }

    pub fn refunds(&self) -> Vec<Refund> {
        self.world().ledger.refunds.clone()
    }

    /// What is charged and not given back, in all currencies together.
    pub fn balance(&self) -> i64 {
        let world = self.world();
        let charged = world.ledger.charges.iter().filter(|charge| charge.status == Status::Charged);
        let refunded = world.ledger.refunds.iter().map(|refund| refund.amount);
        charged.map(|charge| charge.amount).sum::<i64>() - refunded.sum::<i64>()
    }

    /// Does what the request asks for, as far as the mode lets it.
    pub fn answer(&self, request: &Request<String>) -> Reply {
        let path = request.uri().path().to_owned();
        let mut world = self.world();
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        match (request.method(), &segments[..]) {
            (&Method::PUT, ["mode"]) => return Reply::Now(world.switch(request.body())),
            (&Method::GET, ["ledger"]) => return Reply::Now(world.ledger.listed(request.uri().query())),
            _ => {}
        }
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if authorization != Some(&format!("Bearer {}", self.api_key)) {
            return Reply::Now(refusal(StatusCode::UNAUTHORIZED, "unauthorized"));
        }
        let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
        let body: Value = serde_json::from_str(request.body()).unwrap_or_default();
        let mode = world.mode_of(&segments, &body);
        if mode == Mode::Down {
            return Reply::Now(refusal(StatusCode::SERVICE_UNAVAILABLE, "down"));
        }
        let asks = request.method() == Method::GET;
        let answer = match (request.method(), &segments[..]) {
            (&Method::GET, ["charges", key]) => found(world.ledger.charge_under(key)),
            (&Method::GET, ["refunds", key]) => found(world.ledger.refund_under(key)),
            (&Method::POST, ["charges"]) if key.is_empty() => refusal(StatusCode::BAD_REQUEST, "no-idempotency-key"),
            (&Method::POST, ["refunds"]) if key.is_empty() => refusal(StatusCode::BAD_REQUEST, "no-idempotency-key"),
            (&Method::POST, ["charges"]) => world.ledger.charge(key, &body, mode),
            (&Method::POST, ["charges", key, "void"]) => world.ledger.void(key),
            (&Method::POST, ["refunds"]) => world.ledger.refund(key, &body),
            _ => refusal(StatusCode::NOT_FOUND, "no-such-path"),
        };
        match mode {
            Mode::Slow => Reply::After(SLOW, answer),
            Mode::Silent => Reply::Never,
            Mode::Lost if !asks => Reply::Never,
            _ => Reply::Now(answer),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn switch(&mut self, body: &str) -> Response<String> {
        #[derive(Deserialize)]
        struct Switch {
            mode: Mode,
            customer: Option<String>,
        }
        match serde_json::from_str(body) {
            Ok(Switch { mode, customer: Some(customer) }) => drop(self.modes.insert(customer, mode)),
            Ok(Switch { mode, customer: None }) => self.mode = mode,
            Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        }
        response(StatusCode::NO_CONTENT, String::new())
    }

    /// The mode towards the customer whom the request is about, if that is known.
    fn mode_of(&self, segments: &[&str], body: &Value) -> Mode {
        let of_charge = |charge: Option<&Charge>| charge.map(|charge| charge.customer.clone());
        let customer = match segments {
            ["charges", key, ..] => of_charge(self.ledger.charge_under(key)),
            ["refunds"] => of_charge(self.ledger.charge_called(body["charge"].as_str().unwrap_or_default())),
            ["refunds", key] => {
                let refund = self.ledger.refund_under(key);
                of_charge(refund.and_then(|refund| self.ledger.charge_called(&refund.charge)))
            }
            _ => body["customer"].as_str().map(str::to_owned),
        };
        customer.and_then(|customer| self.modes.get(&customer)).copied().unwrap_or(self.mode)
    }
}

fn found(what: Option<&impl serde::Serialize>) -> Response<String> {
    what.map_or_else(|| refusal(StatusCode::NOT_FOUND, "not-found"), |what| json_of(StatusCode::OK, what))
}

fn refusal(status: StatusCode, code: &str) -> Response<String> {
    json_of(status, &json!({ "code": code }))
}

fn json_of(status: StatusCode, body: &impl serde::Serialize) -> Response<String> {
    response(status, serde_json::to_string(body).expect("it serialises"))
}

fn response(status: StatusCode, body: String) -> Response<String> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(body).expect("a response")
}
