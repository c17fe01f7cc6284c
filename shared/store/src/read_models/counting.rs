//! Totals held against the documents that they are the sum of, and set right where they are not.
//!
//! Nothing reads a whole collection as of one moment. But each transaction that moves totals raises `updates` of their items.
//! So where all those items are the same before and after the documents were read, nobody has moved any meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use futures_util::future::try_join;
use kernel::back_off::BackOff;
use kernel::day::Day;
use kernel::ids::{AggregateId, TenantId};

use super::totals::{SHARDS, Totals, UPDATES, add_to, add_up, day, place, places};
use super::{ReadModels, Row, partition};
use crate::error::StoreError;
use crate::item::{Item, MAX_TRANSACTION_ACTIONS, s};

/// The shard in which totals are set right. No updater takes it, so its items move for no other reason.
const SET_RIGHT: u32 = SHARDS;

/// How often a collection is read in the hope of a moment without changes.
const MOST_ROUNDS: u32 = 6;

/// How long the collection is left to others after each.
const BACK_OFF: BackOff = BackOff::of_millis(200, 5_000);

/// Before a difference counts, it is looked for once more: what a transaction writes becomes readable item by item.
const PAUSE: Duration = Duration::from_secs(2);

/// By day; `None`: of all time.
type ByDay<T> = BTreeMap<Option<Day>, T>;

/// What a collection's documents and totals say, as of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// The aggregates that have a document, in order.
    pub documents: Vec<AggregateId>,
    /// The ids of what cannot be read as a document. Where there are any, nobody knows what totals should be.
    pub unreadable: Vec<String>,
    /// The totals that are not the sum over all documents, in order; none while something is unreadable.
    pub differences: Vec<Difference>,
    partition: String,
    /// How often the items in which totals are set right were moved, by day; those that are not there are left out.
    updates: ByDay<AttributeValue>,
}

/// A total that is not the sum over all documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub total: String,
    /// Of this day; `None`: of all time.
    pub day: Option<Day>,
    /// What all documents add up to.
    pub documents: i64,
    /// What is stored.
    pub totals: i64,
}

impl Difference {
    /// What the total lacks. A document that is written meanwhile moves both sides, and leaves this as it is.
    fn missing(&self) -> i64 {
        self.documents.saturating_sub(self.totals)
    }
}

impl Counted {
    fn missing(&self) -> impl Iterator<Item = (Option<Day>, &str, i64)> {
        self.differences.iter().map(|difference| (difference.day, difference.total.as_str(), difference.missing()))
    }
}

/// What a look at a collection has brought.
enum Look {
    Counted(Counted),
    /// Somebody has moved totals meanwhile.
    Moved,
    /// A release before has written a document, and has not stored what it adds to totals.
    Untold,
}

impl ReadModels {
    /// Reads all documents and totals of a collection, as of one moment.
    ///
    /// `None`: there was no such moment, or a document of a release before does not say what it adds to totals.
    pub async fn count(&self, tenant: &TenantId, collection: &str) -> Result<Option<Counted>, StoreError> {
        let partition = partition(tenant, collection);
        let mut before: Option<Counted> = None;
        for round in 0..MOST_ROUNDS {
            let counted = match self.look(&partition).await? {
                Look::Untold => return Ok(None),
                Look::Moved => {
                    tokio::time::sleep(BACK_OFF.equal_jitter(round, fastrand::f64())).await;
                    continue;
                }
                Look::Counted(counted) => counted,
            };
            let is_confirmed = before.as_ref().is_some_and(|before| before.missing().eq(counted.missing()));
            if counted.differences.is_empty() || is_confirmed {
                return Ok(Some(counted));
            }
            before = Some(counted);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }

    async fn look(&self, partition: &str) -> Result<Look, StoreError> {
        let before = self.stored_totals(partition).await?;
        let mut sums: ByDay<Totals> = ByDay::new();
        let (mut documents, mut unreadable) = (Vec::new(), Vec::new());
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("collection_key = :key");
        let mut items = query.expression_attribute_values(":key", s(partition)).into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.map_err(StoreError::unavailable("Query"))?;
            let id = item.get("id").and_then(|id| id.as_s().ok()).cloned().unwrap_or_default();
            let row: Option<Row> = serde_dynamo::from_item(item).ok();
            let Some((row, document)) = row.zip(AggregateId::parse(&id).ok()) else {
                unreadable.push(id);
                continue;
            };
            documents.push(document);
            let Some(tallies) = row.tallies else { return Ok(Look::Untold) };
            for tally in &tallies {
                for day in places(tally) {
                    add_to(sums.entry(day).or_default(), &tally.name, tally.amount)?;
                }
            }
        }
        if self.stored_totals(partition).await? != before {
            return Ok(Look::Moved);
        }
        let (totals, updates) = summed(partition, &before)?;
        let differences = if unreadable.is_empty() { differences(sums, totals) } else { Vec::new() };
        Ok(Look::Counted(Counted { documents, unreadable, differences, partition: partition.to_owned(), updates }))
    }

    /// The items of all time, and of each day.
    async fn stored_totals(&self, partition: &str) -> Result<(Vec<Item>, Vec<Item>), StoreError> {
        try_join(self.of_all_time(partition), self.by_day(partition, None)).await
    }

    /// Adds to totals what they lack, as counted. Whatever documents have moved since, they lack that still. Gives whether all
    /// of it was done: not if somebody else has set totals right since they were read.
    ///
    /// After a lost answer it may have been done: count again.
    pub async fn set_right(&self, counted: &Counted) -> Result<bool, StoreError> {
        let mut missing: ByDay<BTreeMap<&str, i64>> = ByDay::new();
        for (day, total, amount) in counted.missing() {
            missing.entry(day).or_default().insert(total, amount);
        }
        let action = |(day, sums): (&Option<Day>, &BTreeMap<&str, i64>)| {
            let update = self.add(&counted.partition, *day, SET_RIGHT, sums);
            let update = match counted.updates.get(day) {
                None => update.condition_expression(format!("attribute_not_exists({UPDATES})")),
                Some(updates) => update
                    .condition_expression(format!("{UPDATES} = :updates"))
                    .expression_attribute_values(":updates", updates.clone()),
            };
            TransactWriteItem::builder().update(update.build().expect("all that is required is there")).build()
        };
        let actions: Vec<_> = missing.iter().map(action).collect();
        for some in actions.chunks(MAX_TRANSACTION_ACTIONS) {
            let sent = self.client.transact_write_items().set_transact_items(Some(some.to_vec())).send().await;
            let Err(error) = sent else { continue };
            let was_faster = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
                    codes.any(|code| ["ConditionalCheckFailed", "TransactionConflict"].contains(&code))
                }
                _ => false,
            };
            return if was_faster { Ok(false) } else { Err(StoreError::unavailable("TransactWriteItems")(error)) };
        }
        Ok(true)
    }
}

/// Adds up all shards; and how often those were moved in which totals are set right.
fn summed(
    partition: &str,
    (all_time, days): &(Vec<Item>, Vec<Item>),
) -> Result<(ByDay<Totals>, ByDay<AttributeValue>), StoreError> {
    let of_all_time = all_time.iter().map(|item| Ok((None, item)));
    let of_days = days.iter().map(|item| Ok((Some(day(item)?), item)));
    let (mut totals, mut updates) = (ByDay::new(), ByDay::new());
    for item in of_all_time.chain(of_days) {
        let (day, item): (Option<Day>, &Item) = item?;
        add_up(totals.entry(day).or_default(), item)?;
        let (key, id) = place(partition, day, SET_RIGHT);
        if item.get("collection_key") == Some(&s(key)) && item.get("id") == Some(&s(id)) {
            updates.extend(item.get(UPDATES).map(|count| (day, count.clone())));
        }
    }
    Ok((totals, updates))
}

fn differences(documents: ByDay<Totals>, totals: ByDay<Totals>) -> Vec<Difference> {
    let each = |sums: ByDay<Totals>| {
        let of_day = |(day, totals): (_, Totals)| totals.into_iter().map(move |(total, amount)| ((day, total), amount));
        sums.into_iter().flat_map(of_day)
    };
    let mut sides: BTreeMap<(Option<Day>, String), (i64, i64)> = BTreeMap::new();
    for (total, amount) in each(documents) {
        sides.entry(total).or_default().0 = amount;
    }
    for (total, amount) in each(totals) {
        sides.entry(total).or_default().1 = amount;
    }
    let differ = sides.into_iter().filter(|(_, (documents, totals))| documents != totals);
    differ.map(|((day, total), (documents, totals))| Difference { total, day, documents, totals }).collect()
}
