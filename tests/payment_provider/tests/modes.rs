//! The provider as its users meet it, over HTTP.

use payment_provider::{Provider, SLOW, Server};
use serde_json::{Value, json};
use std::time::Instant;

struct Client(Server);

impl Client {
    fn new() -> Self {
        Self(Server::start(Provider::new("secret"), 0).expect("a free port"))
    }

    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder().http_status_as_error(false).build().into()
    }

    /// Status and body; `None` where there is no answer.
    fn get(&self, path: &str) -> Option<(u16, Value)> {
        let asked = Self::agent().get(format!("{}{path}", self.0.url)).header("authorization", "Bearer secret").call();
        asked.ok().map(|mut answer| (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or_default()))
    }

    fn post(&self, path: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
        let request = Self::agent().post(format!("{}{path}", self.0.url)).header("authorization", "Bearer secret");
        let sent = request.header("idempotency-key", key).send(body.to_string());
        sent.ok().map(|mut answer| (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or_default()))
    }

    fn charge(&self, key: &str) -> Option<(u16, Value)> {
        self.post("/charges", key, &json!({ "customer": "C-7", "amount": 100, "currency": "EUR" }))
    }

    fn mode(&self, body: &Value) {
        let switched = Self::agent().put(format!("{}/mode", self.0.url)).send(body.to_string()).expect("an answer");
        assert_eq!(switched.status().as_u16(), 204, "{body}");
    }

    /// How much was charged in how many charges, and given back.
    fn ledger(&self) -> (i64, usize, i64) {
        let (_, ledger) = self.get("/ledger?customer=C-7").expect("an answer");
        let list = |name: &str| ledger[name].as_array().expect("a list").clone();
        let charged: Vec<_> = list("charges").into_iter().filter(|charge| charge["status"] == "charged").collect();
        let sum = |of: &[Value]| of.iter().map(|one| one["amount"].as_i64().expect("an amount")).sum();
        (sum(&charged), charged.len(), sum(&list("refunds")))
    }
}

#[test]
fn what_has_one_key_is_done_once() {
    let client = Client::new();
    assert_eq!(client.get("/charges/k").map(|answer| answer.0), Some(404));
    let first = client.charge("k").expect("an answer");
    let again = client.charge("k").expect("an answer");
    assert_eq!((first.0, again.0, &first.1), (201, 200, &again.1));
    assert_eq!(client.ledger(), (100, 1, 0));
    assert_eq!(client.charge("other").map(|answer| answer.0), Some(201));
    assert_eq!(client.ledger(), (200, 2, 0), "a second charge shows");
    let body = json!({ "charge": first.1["id"], "amount": 100, "currency": "EUR" });
    let refunds: Vec<_> = (0..2).map(|_| client.post("/refunds", "r", &body).expect("an answer")).collect();
    assert_eq!((refunds[0].0, &refunds[0].1), (201, &refunds[1].1));
    assert_eq!(client.post("/refunds", "r2", &body).map(|answer| answer.0), Some(422), "no more than was charged");
    assert_eq!(client.ledger(), (200, 2, 100));
}

#[test]
fn what_is_void_is_not_charged_any_more_and_what_is_charged_not_void() {
    let client = Client::new();
    let (_, voided) = client.post("/charges/k/void", "k", &json!({})).expect("an answer");
    assert_eq!((voided["status"].as_str(), client.charge("k").map(|answer| answer.0)), (Some("voided"), Some(402)));
    client.charge("l");
    let (_, charged) = client.post("/charges/l/void", "l", &json!({})).expect("an answer");
    assert_eq!(charged["status"], "charged");
}

#[test]
fn each_mode_fails_in_its_own_way() {
    let client = Client::new();
    let of_customer = |mode: &str| client.mode(&json!({ "mode": mode, "customer": "C-7" }));
    of_customer("declined");
    assert_eq!(client.charge("1").map(|answer| answer.0), Some(402));
    of_customer("down");
    assert_eq!(client.charge("2").map(|answer| answer.0), Some(503));
    assert_eq!(client.ledger(), (0, 0, 0));
    of_customer("lost");
    assert_eq!((client.charge("3"), client.ledger()), (None, (100, 1, 0)));
    assert_eq!(client.get("/charges/3").map(|answer| answer.0), Some(200));
    of_customer("silent");
    assert_eq!((client.charge("4"), client.get("/charges/4"), client.ledger()), (None, None, (200, 2, 0)));
    of_customer("ignores-keys");
    client.charge("4");
    assert_eq!(client.ledger(), (300, 3, 0));
    of_customer("slow");
    let begun = Instant::now();
    assert_eq!(client.charge("5").map(|answer| answer.0), Some(201));
    assert!(begun.elapsed() >= SLOW);
    client.mode(&json!({ "mode": "down" }));
    of_customer("fine");
    assert_eq!(client.charge("6").map(|answer| answer.0), Some(201), "a mode of its own");
}

#[test]
fn nobody_is_let_in_without_the_key() {
    let client = Client::new();
    let answer = Client::agent().get(format!("{}/charges/k", client.0.url)).call().expect("an answer");
    assert_eq!(answer.status().as_u16(), 401);
}
