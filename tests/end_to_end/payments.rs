//! Orders that are paid, and orders that are not, whatever the payment provider does.

use serde_json::{Value, json};
use ureq::Agent;

use crate::api::{Client, fresh, stack, submit_order, to_order, wait_for};

/// The payment provider beside the stack, towards a customer of the test's own.
struct Provider {
    url: String,
    customer: String,
}

impl Provider {
    /// In this mode. `payment_provider::Mode` has them.
    fn new(mode: &str) -> Self {
        let url = stack()["payment_provider"].as_str().expect("a payment provider").to_owned();
        let provider = Self { url, customer: fresh("C") };
        provider.switch(mode);
        provider
    }

    fn switch(&self, mode: &str) {
        let body = json!({ "mode": mode, "customer": self.customer }).to_string();
        let answer = Agent::new_with_defaults().put(format!("{}/mode", self.url)).send(body);
        answer.unwrap_or_else(|error| panic!("the provider does not switch to {mode}: {error}"));
    }

    /// The amounts that were charged, and those that were given back.
    fn ledger(&self) -> (Vec<i64>, Vec<i64>) {
        let answer = Agent::new_with_defaults().get(format!("{}/ledger?customer={}", self.url, self.customer)).call();
        let ledger: Value = answer.expect("a ledger").body_mut().read_json().expect("JSON");
        let amounts = |list: &str, is: fn(&Value) -> bool| {
            let list = ledger[list].as_array().expect("a list").iter().filter(|one| is(one));
            list.map(|one| one["amount"].as_i64().expect("an amount")).collect()
        };
        (amounts("charges", |charge| charge["status"] == "charged"), amounts("refunds", |_| true))
    }

    /// An order of the customer's, to be paid within so many seconds.
    fn order(&self, client: &Client, seconds: u32) -> String {
        let order = fresh("O");
        let mut event = submit_order(&order, &self.customer);
        let data = event["data"].as_object_mut().expect("an object");
        data.remove("onAccount");
        data.insert("payWithinSeconds".to_owned(), json!(seconds));
        client.succeeded(&client.submit(&event));
        order
    }
}

/// Waits for the document to have that status.
#[track_caller]
fn becomes(client: &Client, path: &str, status: &str) -> Value {
    wait_for(&format!("{path} to be {status}"), || {
        let answer = client.get(path);
        if answer.status == 200 && answer.json()["status"] == status { Ok(answer.json()) } else { Err(answer.text) }
    })
}

fn types(client: &Client, path: &str) -> Vec<String> {
    client.history(path).iter().map(|event| event["type"].as_str().expect("a type").to_owned()).collect()
}

fn ship(order: &str) -> Value {
    to_order("ShipOrder", order, &json!({ "trackingNumber": fresh("T") }))
}

#[test]
fn an_order_that_is_paid_is_confirmed_and_ships() {
    let (client, provider) = (Client::of("demo"), Provider::new("fine"));
    let order = provider.order(&client, 600);
    becomes(&client, &format!("/orders/{order}"), "confirmed");
    let payment = becomes(&client, &format!("/payments/{order}"), "charged");
    assert_eq!(payment["amount"], json!({ "amount": 1250, "currency": "EUR" }), "{payment:#}");
    assert_eq!(provider.ledger(), (vec![1250], vec![]));
    assert_eq!(types(&client, &format!("/payments/{order}")), ["ChargeRequested", "ChargeSucceeded"]);
    client.succeeded(&client.submit(&ship(&order)));
    let history = types(&client, &format!("/orders/{order}"));
    assert_eq!(history, ["OrderSubmitted", "OrderConfirmed", "OrderShipped"]);
    wait_for("the list by customer", || {
        let list = client.get(&format!("/payments?customer={}", provider.customer)).expect(200).json();
        if list["items"][0]["id"] == *order { Ok(()) } else { Err(list.to_string()) }
    });
}

#[test]
fn an_order_whose_payment_is_declined_is_cancelled() {
    let (client, provider) = (Client::of("demo"), Provider::new("declined"));
    let order = provider.order(&client, 600);
    let cancelled = becomes(&client, &format!("/orders/{order}"), "cancelled");
    assert_eq!(cancelled["cancellationReason"], "The payment was declined");
    assert_eq!(becomes(&client, &format!("/payments/{order}"), "declined")["declineReason"], "card-declined");
    assert_eq!(provider.ledger(), (vec![], vec![]));
    assert_eq!(client.outcome(&client.submit(&ship(&order)))["status"], "rejected");
}

#[test]
fn a_provider_that_was_down_or_loses_its_answers_charges_once() {
    let client = Client::of("demo");
    let [slow, lost, down] = ["slow", "lost", "down"].map(Provider::new);
    let [slow_order, lost_order, down_order] = [&slow, &lost, &down].map(|provider| provider.order(&client, 600));
    let early = client.outcome(&client.submit(&ship(&down_order)));
    assert_eq!(early["error"]["type"], "urn:waybill:problem:orders:awaiting-payment", "{early:#}");
    down.switch("fine");
    for (provider, order) in [(slow, slow_order), (lost, lost_order), (down, down_order)] {
        becomes(&client, &format!("/orders/{order}"), "confirmed");
        assert_eq!(provider.ledger(), (vec![1250], vec![]));
    }
}

#[test]
fn what_is_charged_after_the_time_limit_goes_back() {
    let (client, provider) = (Client::of("demo"), Provider::new("silent"));
    let order = provider.order(&client, 5);
    let cancelled = becomes(&client, &format!("/orders/{order}"), "cancelled");
    assert_eq!(cancelled["cancellationReason"], "The payment took too long");
    provider.switch("fine");
    becomes(&client, &format!("/payments/{order}"), "refunded");
    assert_eq!(provider.ledger(), (vec![1250], vec![1250]));
}

#[test]
fn a_paid_order_that_is_cancelled_is_refunded() {
    let (client, provider) = (Client::of("demo"), Provider::new("fine"));
    let order = provider.order(&client, 600);
    becomes(&client, &format!("/orders/{order}"), "confirmed");
    client.succeeded(&client.submit(&to_order("CancelOrder", &order, &json!({}))));
    becomes(&client, &format!("/payments/{order}"), "refunded");
    assert_eq!(provider.ledger(), (vec![1250], vec![1250]));
    let history = types(&client, &format!("/payments/{order}"));
    assert_eq!(history[1..], ["ChargeSucceeded", "PaymentCalledOff", "RefundRequested", "RefundSucceeded"]);
}

#[test]
fn nobody_but_the_installation_says_that_an_order_is_paid() {
    let client = Client::of("demo");
    let order = fresh("O");
    for command in
        [to_order("ConfirmOrder", &order, &json!({})), to_order("RecordCharge", &order, &json!({ "charge": "1" }))]
    {
        let answer = client.post(&command);
        assert_eq!(answer.status, 403, "{answer:?}");
    }
}
