//! Totals: counts and sums over a collection's documents, of all time and by day.
//!
//! `DynamoDB` holds an item of a transaction from prepare to commit, and refuses it to all others meanwhile. So totals are
//! spread over shards, and a report adds the shards up. A transaction moves totals in one shard alone. An updater keeps to
//! its shard, and takes another one once it meets somebody there: after a few refusals no two are at the same.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use futures_util::future::try_join;
use kernel::day::Day;
use kernel::ids::TenantId;

use super::{Change, ReadModels, partition};
use crate::error::StoreError;
use crate::item::{Item, n, s};

/// More than there are updaters at the same time: `UpdaterConcurrency` is 100 at most.
const SHARDS: u32 = 128;

/// What the attribute of a total begins with, so that none is called as a key is.
const SUM: &str = "sum:";

/// Totals by name. One that is 0 is not among them.
pub type Totals = BTreeMap<String, i64>;

/// The shard that an updater keeps to.
#[derive(Debug)]
pub(super) struct Shard(AtomicU32);

impl Shard {
    pub fn any() -> Self {
        Self(AtomicU32::new(fastrand::u32(..SHARDS)))
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

impl ReadModels {
    /// What the changes add to totals, in this process's shard.
    pub(super) fn totals(&self, changes: &[Change]) -> Vec<TransactWriteItem> {
        let mut sums: BTreeMap<(String, Option<Day>), BTreeMap<&str, i64>> = BTreeMap::new();
        for change in changes {
            let added = change.tallies.iter().map(|tally| (tally, tally.amount));
            let taken_back = change.taken_back().iter().map(|tally| (tally, -tally.amount));
            for (tally, amount) in added.chain(taken_back) {
                for day in std::iter::once(None).chain(tally.day.map(Some)) {
                    let item = sums.entry((change.key.partition(), day)).or_default();
                    *item.entry(&tally.name).or_default() += amount;
                }
            }
        }
        sums.into_iter().filter_map(|((partition, day), sums)| self.add(&partition, day, sums)).collect()
    }

    fn add(&self, partition: &str, day: Option<Day>, mut sums: BTreeMap<&str, i64>) -> Option<TransactWriteItem> {
        sums.retain(|_, amount| *amount != 0);
        let shard = self.shard.number();
        let (key, id) = match day {
            None => (of_all_time(partition), format!("{shard:03}")),
            Some(day) => (by_day(partition), format!("{day}#{shard:03}")),
        };
        let mut update = Update::builder().table_name(&self.table).key("collection_key", s(key)).key("id", s(id));
        let mut terms = Vec::new();
        for (number, (name, amount)) in sums.into_iter().enumerate() {
            terms.push(format!("#{number} :{number}"));
            update = update
                .expression_attribute_names(format!("#{number}"), format!("{SUM}{name}"))
                .expression_attribute_values(format!(":{number}"), n(amount));
        }
        let update = update.update_expression(format!("ADD {}", terms.join(", ")));
        let update = update.build().expect("all that is required is there");
        (!terms.is_empty()).then(|| TransactWriteItem::builder().update(update).build())
    }

    /// The totals of a collection, of all time.
    pub async fn report(&self, tenant: &TenantId, collection: &str) -> Result<Totals, StoreError> {
        let partition = partition(tenant, collection);
        // Releases before had an item for each total.
        let before = format!("{partition}#totals");
        let (shards, before) = try_join(self.items(of_all_time(&partition), None), self.items(before, None)).await?;
        let mut totals = Totals::new();
        for item in shards.iter().chain(&before) {
            add_up(&mut totals, item)?;
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
        for item in self.items(by_day(&partition(tenant, collection)), Some(days)).await? {
            let (day, _shard) = id(&item).split_once('#').unwrap_or_default();
            let day = Day::parse(day).ok_or_else(|| corrupt(format!("its day is {day:?}")))?;
            add_up(report.entry(day).or_default(), &item)?;
        }
        for totals in report.values_mut() {
            totals.retain(|_, amount| *amount != 0);
        }
        report.retain(|_, totals| !totals.is_empty());
        Ok(report)
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

fn id(item: &Item) -> &str {
    item.get("id").and_then(|id| id.as_s().ok()).map_or("", String::as_str)
}

/// Adds what the item holds: all totals of a shard, or the one total of a release before.
fn add_up(totals: &mut Totals, item: &Item) -> Result<(), StoreError> {
    for (attribute, value) in item {
        let name = match attribute.strip_prefix(SUM) {
            Some(name) => name,
            None if attribute == "amount" => id(item),
            None => continue,
        };
        let amount: Option<i64> = value.as_n().ok().and_then(|number| number.parse().ok());
        *totals.entry(name.to_owned()).or_default() +=
            amount.ok_or_else(|| corrupt(format!("{name} is no whole number of 64 bits")))?;
    }
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
