//! `/customers/{id}`: a customer's orders, payments and policies at a glance.
//!
//! It knows the events that these contexts have published, and none of the contexts. What one stream contributes is in
//! [`order`], [`payment`] and [`policy`]; [`Customers`] makes one document of it.

pub mod order;
pub mod payment;
pub mod policy;

use std::collections::BTreeMap;

use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::overview::{Contributions, Overview, OverviewType, Source};
use serde::Serialize;

use crate::order::{FromOrders, Order};
use crate::payment::{FromPayments, Payment};
use crate::policy::{FromPolicies, Policy};

/// The overview `customers`.
pub const OVERVIEW: OverviewType = OverviewType::of::<Customers>(
    "customers",
    &[Source::of("orders", &FromOrders), Source::of("payments", &FromPayments), Source::of("policies", &FromPolicies)],
);

/// Of each kind, so many are shown one by one.
const SHOWN: usize = 10;

/// A customer's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: AggregateId,
    pub orders: Section<Order>,
    pub payments: Section<Payment>,
    pub policies: Section<Policy>,
    /// False if there is more than is counted here, all of it older.
    pub complete: bool,
}

/// What there is of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Section<T> {
    pub count: usize,
    /// How many have which status.
    pub by_status: BTreeMap<String, usize>,
    /// What those that count for something come to, by currency: orders that are not cancelled, what was charged and not given
    /// back, premiums of policies that were not cancelled.
    pub sums: Vec<Money>,
    /// The newest ones.
    pub latest: Vec<T>,
}

/// Something that a section counts.
trait Counted {
    fn status(&self) -> String;
    /// What it counts for, if it does.
    fn amount(&self) -> Option<&Money>;
}

/// The merging of what there is of a customer.
pub struct Customers;

impl Overview for Customers {
    type Document = Document;

    fn merge(customer: &AggregateId, contributions: &Contributions) -> Result<Document, serde_json::Error> {
        Ok(Document {
            id: customer.clone(),
            orders: section(contributions.of::<FromOrders>()?),
            payments: section(contributions.of::<FromPayments>()?),
            policies: section(contributions.of::<FromPolicies>()?),
            complete: contributions.complete,
        })
    }
}

fn section<T: Counted>(mut newest_first: Vec<T>) -> Section<T> {
    let (mut by_status, mut sums) = (BTreeMap::<_, usize>::new(), BTreeMap::<String, i64>::new());
    for one in &newest_first {
        *by_status.entry(one.status()).or_default() += 1;
        if let Some(Money { amount, currency }) = one.amount() {
            let sum = sums.entry(currency.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }
    let count = newest_first.len();
    newest_first.truncate(SHOWN);
    let sums = sums.into_iter().map(|(currency, amount)| Money { amount, currency }).collect();
    Section { count, by_status, sums, latest: newest_first }
}

/// A status by its name in JSON.
fn named(status: &impl Serialize) -> String {
    let name = serde_json::to_value(status).ok().and_then(|name| name.as_str().map(str::to_owned));
    name.expect("a status serialises to its name")
}

#[cfg(test)]
mod tests;
