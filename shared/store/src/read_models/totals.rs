//! Totals: counts and sums over a collection's documents, of all time and by day.
//!
//! `DynamoDB` holds an item of a transaction from prepare to commit, and refuses it to all others meanwhile. So totals are
//! spread over shards, and a report adds the shards up. A transaction moves totals in one shard alone. An updater keeps to
//! its shard, and takes another one once it meets somebody there: after a few refusals no two are at the same.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use futures_util::future::try_join;
use kernel::day::Day;
use kernel::ids::TenantId;
use kernel::projection::Tally;

use super::{Change, ReadModels, partition};
use crate::error::StoreError;
use crate::item::{Item, n, s};

/// More than there are updaters at the same time: `UpdaterConcurrency` is 100 at most.
pub(super) const SHARDS: u32 = 128;

/// What the attribute of a total begins with, so that none is called as a key is.
const SUM: &str = "sum:";

/// How often an item was moved. A release before did not count that.
pub(super) const UPDATES: &str = "updates";

/// Totals by name. One that is 0 is not among them.
pub type Totals = BTreeMap<String, i64>;

/// The shard that an updater keeps to.
#[derive(Debug)]
pub(super) struct Shard(AtomicU32);

impl Shard {
    pub fn any() -> Self {
        Self::of(fastrand::u32(..SHARDS))
    }

    pub fn of(number: u32) -> Self {
        Self(AtomicU32::new(number % SHARDS))
    }

    /// Somebody else is at this one.
    pub fn move_on(&self) {
        self.0.store(fastrand::u32(..SHARDS), Ordering::Relaxed);
    }

    fn number(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many items of totals a change moves, at most.
pub(super) fn most_items(change: &Change) -> usize {
    let mut moved: Vec<Option<Day>> = change.tallies.iter().chain(change.taken_back()).map(|tally| tally.day).collect();
    moved.push(None);
    moved.sort_unstable();
    moved.dedup();
    moved.len()
}

/// What a change adds to totals of all time and of days, without what it takes back at once.
fn moved(change: &Change) -> BTreeMap<Option<Day>, BTreeMap<&str, i64>> {
    let mut sums: BTreeMap<Option<Day>, BTreeMap<&str, i64>> = BTreeMap::new();
    let added = change.tallies.iter().map(|tally| (tally, tally.amount));
    let taken_back = change.taken_back().iter().map(|tally| (tally, -tally.amount));
    for (tally, amount) in added.chain(taken_back) {
        for day in places(tally) {
            *sums.entry(day).or_default().entry(tally.name.as_str()).or_default() += amount;
        }
    }
    for item in sums.values_mut() {
        item.retain(|_, amount| *amount != 0);
    }
    sums.retain(|_, item| !item.is_empty());
    sums
}

/// The totals that a tally is in: those of all time, and perhaps of a day.
pub(super) fn places(tally: &Tally) -> impl Iterator<Item = Option<Day>> {
    std::iter::once(None).chain(tally.day.map(Some))
}

impl ReadModels {
    /// What the changes add to totals, in this process's shard.
    pub(super) fn totals(&self, changes: &[Change]) -> Vec<TransactWriteItem> {
        let mut items: BTreeMap<(String, Option<Day>), BTreeMap<&str, i64>> = BTreeMap::new();
        for change in changes {
            for (day, sums) in moved(change) {
                let item = items.entry((change.key.partition(), day)).or_default();
                for (name, amount) in sums {
                    *item.entry(name).or_default() += amount;
                }
            }
        }
        let shard = self.shard.number();
        let add = |((partition, day), sums): ((String, Option<Day>), _)| {
            let update = self.add(&partition, day, shard, &sums).build().expect("all that is required is there");
            TransactWriteItem::builder().update(update).build()
        };
        items.into_iter().map(add).collect()
    }

    /// An item's update. It is needed also where two changes cancel each other out: whoever counts must see that something
    /// has moved.
    pub(super) fn add(
        &self,
        partition: &str,
        day: Option<Day>,
        shard: u32,
        sums: &BTreeMap<&str, i64>,
    ) -> UpdateBuilder {
        let (key, id) = place(partition, day, shard);
        let mut update = Update::builder().table_name(&self.table).key("collection_key", s(key)).key("id", s(id));
        let mut terms = vec![format!("{UPDATES} :one")];
        for (number, (name, amount)) in sums.iter().filter(|(_, amount)| **amount != 0).enumerate() {
            terms.push(format!("#{number} :{number}"));
            update = update
                .expression_attribute_names(format!("#{number}"), format!("{SUM}{name}"))
                .expression_attribute_values(format!(":{number}"), n(amount));
        }
        update.update_expression(format!("ADD {}", terms.join(", "))).expression_attribute_values(":one", n(1))
    }

    /// The totals of a collection, of all time.
    pub async fn report(&self, tenant: &TenantId, collection: &str) -> Result<Totals, StoreError> {
        let mut totals = Totals::new();
        for item in self.of_all_time(&partition(tenant, collection)).await? {
            add_up(&mut totals, &item)?;
        }
        totals.retain(|_, amount| *amount != 0);
        Ok(totals)
    }

    /// The totals of these days, without the days that have none.
    pub async fn report_by_day(
        &self,
        tenant: &TenantId,
        collection: &str,
        days: &RangeInclusive<Day>,
    ) -> Result<BTreeMap<Day, Totals>, StoreError> {
        let mut report: BTreeMap<Day, Totals> = BTreeMap::new();
        for item in self.by_day(&partition(tenant, collection), Some(days)).await? {
            add_up(report.entry(day(&item)?).or_default(), &item)?;
        }
        for totals in report.values_mut() {
            totals.retain(|_, amount| *amount != 0);
        }
        report.retain(|_, totals| !totals.is_empty());
        Ok(report)
    }

    /// The items of all time, with those of releases before, which had one for each total.
    pub(super) async fn of_all_time(&self, partition: &str) -> Result<Vec<Item>, StoreError> {
        let before = format!("{partition}#totals");
        let (shards, before) = try_join(self.items(of_all_time(partition), None), self.items(before, None)).await?;
        Ok(shards.into_iter().chain(before).collect())
    }

    /// The items of these days; `None`: of all.
    pub(super) async fn by_day(
        &self,
        partition: &str,
        days: Option<&RangeInclusive<Day>>,
    ) -> Result<Vec<Item>, StoreError> {
        self.items(by_day(partition), days).await
    }

    async fn items(&self, key: String, days: Option<&RangeInclusive<Day>>) -> Result<Vec<Item>, StoreError> {
        let mut query = self.client.query().table_name(&self.table).consistent_read(true);
        let mut condition = "collection_key = :key".to_owned();
        query = query.expression_attribute_values(":key", s(key));
        if let Some(days) = days {
            condition += " AND id BETWEEN :from AND :to";
            query = query
                .expression_attribute_values(":from", s(days.start()))
                // '~' is after the '#' that follows a day.
                .expression_attribute_values(":to", s(format!("{}~", days.end())));
        }
        let items = query.key_condition_expression(condition).into_paginator().items().send();
        items.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))
    }
}

fn of_all_time(partition: &str) -> String {
    format!("{partition}#totals#all")
}

fn by_day(partition: &str) -> String {
    format!("{partition}#totals#days")
}

/// Where a shard of all time, or of a day, is.
pub(super) fn place(partition: &str, day: Option<Day>, shard: u32) -> (String, String) {
    match day {
        None => (of_all_time(partition), format!("{shard:03}")),
        Some(day) => (by_day(partition), format!("{day}#{shard:03}")),
    }
}

/// Which day an item is of.
pub(super) fn day(item: &Item) -> Result<Day, StoreError> {
    let (day, _shard) = id(item).split_once('#').unwrap_or_default();
    Day::parse(day).ok_or_else(|| corrupt(format!("its day is {day:?}")))
}

fn id(item: &Item) -> &str {
    item.get("id").and_then(|id| id.as_s().ok()).map_or("", String::as_str)
}

/// Adds what the item holds: all totals of a shard, or the one total of a release before.
pub(super) fn add_up(totals: &mut Totals, item: &Item) -> Result<(), StoreError> {
    for (attribute, value) in item {
        let name = match attribute.strip_prefix(SUM) {
            Some(name) => name,
            None if attribute == "amount" => id(item),
            None => continue,
        };
        let amount: Option<i64> = value.as_n().ok().and_then(|number| number.parse().ok());
        add_to(totals, name, amount.ok_or_else(|| corrupt(format!("{name} is no whole number of 64 bits")))?)?;
    }
    Ok(())
}

/// Adds an amount to a total.
pub(super) fn add_to(totals: &mut Totals, name: &str, amount: i64) -> Result<(), StoreError> {
    let total = totals.entry(name.to_owned()).or_default();
    *total = total.checked_add(amount).ok_or_else(|| corrupt(format!("{name} has more than 64 bits")))?;
    Ok(())
}

fn corrupt(why: String) -> StoreError {
    StoreError::Corrupt { what: "total", source: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_more_shards_than_updaters() {
        let parameters = testkit::template_values("UpdaterConcurrency");
        let most = parameters.iter().find_map(|parameter| parameter["MaxValue"].as_u64()).expect("a bound");
        assert!(most < u64::from(SHARDS), "{most} updaters, {SHARDS} shards");
    }
}
