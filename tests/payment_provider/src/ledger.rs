//! What was charged, and what was given back.

use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Mode, json_of, refusal};

/// What became of what was to be charged under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub id: String,
    pub key: String,
    pub customer: String,
    /// In the currency's smallest unit.
    pub amount: i64,
    pub currency: String,
    pub status: Status,
    /// Why it was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Charged,
    Declined,
    /// Nothing is charged under this key any more.
    Voided,
}

/// What was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    pub id: String,
    pub key: String,
    /// The id of the charge.
    pub charge: String,
    pub amount: i64,
    pub currency: String,
}

#[derive(Default)]
pub struct Ledger {
    pub charges: Vec<Charge>,
    pub refunds: Vec<Refund>,
}

const DECLINED: &str = "card-declined";

impl Ledger {
    pub fn charge_under(&self, key: &str) -> Option<&Charge> {
        self.charges.iter().find(|charge| charge.key == key)
    }

    pub fn charge_called(&self, id: &str) -> Option<&Charge> {
        self.charges.iter().find(|charge| charge.id == id)
    }

    pub fn refund_under(&self, key: &str) -> Option<&Refund> {
        self.refunds.iter().find(|refund| refund.key == key)
    }

    pub fn charge(&mut self, key: &str, body: &Value, mode: Mode) -> Response<String> {
        if let Some(known) = self.charge_under(key).filter(|_| mode != Mode::IgnoresKeys) {
            return answer_to(known, StatusCode::OK);
        }
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let (Some(customer), Some(currency), Some(amount)) =
            (text("customer"), text("currency"), body["amount"].as_i64().filter(|amount| *amount > 0))
        else {
            return refusal(StatusCode::UNPROCESSABLE_ENTITY, "nothing-to-charge");
        };
        let declined = mode == Mode::Declined;
        let (status, code) =
            if declined { (Status::Declined, Some(DECLINED.to_owned())) } else { (Status::Charged, None) };
        let (id, key) = (self.next_id("ch"), key.to_owned());
        let charge = Charge { id, key, customer, amount, currency, status, code };
        self.charges.push(charge.clone());
        answer_to(&charge, StatusCode::CREATED)
    }

    pub fn void(&mut self, key: &str) -> Response<String> {
        if self.charge_under(key).is_none() {
            let (id, key, status) = (self.next_id("ch"), key.to_owned(), Status::Voided);
            let (customer, currency) = (String::new(), String::new());
            self.charges.push(Charge { id, key, customer, amount: 0, currency, status, code: None });
        }
        json_of(StatusCode::OK, &self.charge_under(key))
    }

    pub fn refund(&mut self, key: &str, body: &Value) -> Response<String> {
        if let Some(known) = self.refund_under(key) {
            return json_of(StatusCode::OK, known);
        }
        let charge = self.charge_called(body["charge"].as_str().unwrap_or_default());
        let Some(charge) = charge.filter(|charge| charge.status == Status::Charged) else {
            return refusal(StatusCode::UNPROCESSABLE_ENTITY, "no-such-charge");
        };
        let (charge, currency, charged) = (charge.id.clone(), charge.currency.clone(), charge.amount);
        let before: i64 =
            self.refunds.iter().filter(|refund| refund.charge == charge).map(|refund| refund.amount).sum();
        let amount = body["amount"].as_i64().unwrap_or_default();
        if amount < 1 || before + amount > charged || body["currency"] != json!(currency) {
            return refusal(StatusCode::UNPROCESSABLE_ENTITY, "more-than-was-charged");
        }
        let refund = Refund { id: self.next_id("re"), key: key.to_owned(), charge, amount, currency };
        self.refunds.push(refund.clone());
        json_of(StatusCode::CREATED, &refund)
    }

    /// For tests: of all customers, or of the one whom the query names.
    pub fn listed(&self, query: Option<&str>) -> Response<String> {
        let customer = query.and_then(|query| query.strip_prefix("customer="));
        let of_customer = |charge: &&Charge| customer.is_none_or(|customer| charge.customer == customer);
        let charges: Vec<_> = self.charges.iter().filter(of_customer).collect();
        let of_charge = |refund: &&Refund| charges.iter().any(|charge| charge.id == refund.charge);
        let refunds: Vec<_> = self.refunds.iter().filter(of_charge).collect();
        json_of(StatusCode::OK, &json!({ "charges": charges, "refunds": refunds }))
    }

    fn next_id(&self, kind: &str) -> String {
        format!("{kind}-{}", self.charges.len() + self.refunds.len() + 1)
    }
}

/// To whoever asks for a charge.
fn answer_to(charge: &Charge, status: StatusCode) -> Response<String> {
    match charge.status {
        Status::Charged => json_of(status, charge),
        Status::Declined => refusal(StatusCode::PAYMENT_REQUIRED, charge.code.as_deref().unwrap_or(DECLINED)),
        Status::Voided => refusal(StatusCode::PAYMENT_REQUIRED, "voided"),
    }
}
