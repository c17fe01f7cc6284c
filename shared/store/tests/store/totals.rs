//! Totals: exact, by day as well, in shards, and beside what the release before added up.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use futures_util::future::join_all;
use kernel::day::Day;
use kernel::projection::{Listing, Tally};
use kernel::timestamp::Timestamp;
use serde_json::{Value, json};
use store::StoreError;
use store::read_models::{Change, Key, ReadModels, Replaced, Totals, WriteError};
use testkit::{Fault, TABLES};

use crate::probe;
use crate::world::{World, aggregate_id, tenant};

const KEYS: [&str; 2] = ["acme#orders#totals#all", "acme#orders#totals#days"];

pub fn world() -> World {
    World::of(probe::context::<1>())
}

pub fn day(text: &str) -> Day {
    Day::parse(text).unwrap_or_else(|| panic!("{text} is no day"))
}

/// On this day.
pub fn tally(name: &str, amount: i64, day: &str) -> Tally {
    Tally::of(name, amount).on(Timestamp::parse(&format!("{day}T12:00:00Z")).expect("a moment"))
}

/// The first version of an order that counts for this.
pub fn new(id: &str, tallies: impl Into<Vec<Tally>>) -> Change {
    let listing = Listing { owner: "C-7".to_owned(), state: "open".to_owned(), time: Timestamp::from_millis(1) };
    Change {
        key: Key { tenant: tenant("acme"), collection: "orders", id: aggregate_id(id) },
        from: None,
        to_version: 1,
        layout: 1,
        document: "{}".to_owned(),
        listing,
        tallies: tallies.into(),
    }
}

pub async fn write(world: &World, changes: &[Change]) {
    world.read_models.write(changes).await.expect("written");
}

pub async fn report(world: &World) -> Totals {
    world.read_models.report(&tenant("acme"), "orders").await.expect("totals")
}

async fn by_day(world: &World, days: RangeInclusive<&str>) -> BTreeMap<Day, Totals> {
    let days = day(days.start())..=day(days.end());
    world.read_models.report_by_day(&tenant("acme"), "orders", &days).await.expect("totals")
}

fn totals<const N: usize>(totals: [(&str, i64); N]) -> Totals {
    totals.map(|(name, amount)| (name.to_owned(), amount)).into()
}

/// The items of totals that the release writes.
fn stored(world: &World) -> Vec<Value> {
    let mut items = world.aws.items(TABLES.read_models);
    items.retain(|item| KEYS.iter().any(|key| item["collection_key"] == *key));
    items
}

#[tokio::test]
async fn a_transaction_moves_one_item_of_all_time_and_one_of_each_day_all_in_one_shard() {
    let world = world();
    let orders = ["O-1", "O-2"].map(|id| new(id, [tally("open", 1, "2026-01-31"), tally("EUR", 450, "2026-01-31")]));
    write(&world, &orders).await;
    let items = stored(&world);
    let shard = items[0]["id"].as_str().expect("a shard").to_owned();
    let item =
        |key: &str, id: &str| json!({ "collection_key": key, "id": id, "sum:EUR": 900, "sum:open": 2, "updates": 1 });
    assert_eq!(items, [item(KEYS[0], &shard), item(KEYS[1], &format!("2026-01-31#{shard}"))]);
    assert!(shard.len() == 3 && shard.as_str() < "128", "{shard}");
}

#[tokio::test]
async fn a_document_takes_back_what_the_one_before_added_also_on_another_day() {
    let world = world();
    let first = new("O-1", [tally("open", 1, "2026-01-31"), Tally::of("ever", 1)]);
    write(&world, std::slice::from_ref(&first)).await;
    let closed = vec![tally("closed", 1, "2026-02-01"), Tally::of("ever", 1)];
    let from = Some(Replaced { version: 1, revision: 0, taken_back: first.tallies.clone() });
    let second = Change { from, to_version: 2, tallies: closed, ..first };
    write(&world, &[second]).await;
    assert_eq!(report(&world).await, totals([("closed", 1), ("ever", 1)]));
    let days = by_day(&world, "2026-01-01"..="2026-12-31").await;
    assert_eq!(days, BTreeMap::from([(day("2026-02-01"), totals([("closed", 1)]))]), "a day without any is left out");
}

#[tokio::test]
async fn changes_that_cancel_each_other_out_are_seen_and_move_nothing() {
    let world = world();
    write(&world, &[new("O-1", [tally("open", 1, "2026-01-31")]), new("O-2", [tally("open", -1, "2026-01-31")])]).await;
    let items = stored(&world);
    assert!(items.len() == 2 && items.iter().all(|item| item["updates"] == 1), "whoever counts sees it: {items:?}");
    assert!(items.iter().all(|item| item["sum:open"].is_null()), "{items:?}");
    assert_eq!(report(&world).await, Totals::new());
}

#[tokio::test]
async fn a_range_has_its_first_day_and_its_last() {
    let world = world();
    let days = ["2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03"];
    for (id, day) in ["O-1", "O-2", "O-3", "O-4"].into_iter().zip(days) {
        write(&world, &[new(id, [tally("open", 1, day)])]).await;
    }
    let found = async |days| by_day(&world, days).await.into_keys().map(|day| day.to_string()).collect::<Vec<_>>();
    assert_eq!(found("2025-01-01"..="2026-12-31").await, days);
    assert_eq!(found("2026-01-01"..="2026-01-02").await, days[1..3]);
    assert_eq!(found("2026-01-03"..="2026-01-03").await, days[3..]);
    assert_eq!(found("2026-01-04"..="2026-01-04").await, [] as [&str; 0]);
    let theirs = world.read_models.report_by_day(&tenant("globex"), "orders", &(day(days[0])..=day(days[3]))).await;
    assert_eq!(theirs.expect("totals"), BTreeMap::new());
}

#[tokio::test]
async fn a_report_of_many_totals_takes_several_pages() {
    let world = world();
    let long = "x".repeat(1_000);
    let totals = |moment| (0..30).map(move |number| Tally::of(format!("{long}{number:02}"), 1).on(moment));
    for number in 0..40 {
        let moment = Timestamp::from_millis(number * 24 * 60 * 60 * 1000);
        write(&world, &[new(&format!("O-{number}"), totals.clone()(moment).collect::<Vec<_>>())]).await;
    }
    world.aws.forget_calls();
    let days = by_day(&world, "1970-01-01"..="1970-12-31").await;
    assert_eq!((days.len(), days.values().map(Totals::len).sum::<usize>()), (40, 1_200));
    assert_eq!(world.aws.count("Query"), 2, "1.2 MB");
}

#[tokio::test]
async fn what_a_release_before_added_up_goes_on_counting() {
    let world = world();
    for (name, amount) in [("open", 4), ("amount:EUR", 900), ("closed", 1)] {
        let total = json!({ "collection_key": "acme#orders#totals", "id": name, "amount": amount });
        world.aws.insert(TABLES.read_models, &total);
    }
    let first = new("O-1", []);
    write(&world, std::slice::from_ref(&first)).await;
    let taken_back = vec![Tally::of("closed", 1)];
    let from = Some(Replaced { version: 1, revision: 0, taken_back });
    write(&world, &[Change { from, to_version: 2, tallies: vec![tally("open", 1, "2026-01-31")], ..first }]).await;
    assert_eq!(report(&world).await, totals([("open", 5), ("amount:EUR", 900)]));
    assert_eq!(by_day(&world, "2026-01-31"..="2026-01-31").await.into_values().next(), Some(totals([("open", 1)])));
}

#[tokio::test]
async fn a_total_may_be_called_as_a_key_is() {
    let world = world();
    let names = ["id", "collection_key", "owner_key", "list_sort", "amount", "sum:id", "a b#c"];
    write(&world, &[new("O-1", names.map(|name| tally(name, 1, "2026-01-31")))]).await;
    assert_eq!(report(&world).await, totals(names.map(|name| (name, 1))));
}

#[tokio::test]
async fn a_total_that_is_no_whole_number_is_no_report() {
    for broken in [json!("many"), json!(1.5)] {
        let world = world();
        for (key, id) in [(KEYS[0], "007"), (KEYS[1], "2026-01-31#007")] {
            world.aws.insert(TABLES.read_models, &json!({ "collection_key": key, "id": id, "sum:open": broken }));
        }
        let report = world.read_models.report(&tenant("acme"), "orders").await;
        assert!(matches!(report, Err(StoreError::Corrupt { .. })), "{report:?}");
        let days = day("2026-01-31")..=day("2026-01-31");
        let report = world.read_models.report_by_day(&tenant("acme"), "orders", &days).await;
        assert!(matches!(report, Err(StoreError::Corrupt { .. })), "{report:?}");
    }
}

/// The shard that was moved last.
fn newest_shard(world: &World, since: &[Value]) -> Value {
    let moved = stored(world).into_iter().find(|item| !since.contains(item) && item["collection_key"] == KEYS[0]);
    moved.expect("a shard moved")["id"].clone()
}

#[tokio::test]
async fn an_updater_keeps_to_its_shard_until_it_meets_somebody() {
    fastrand::seed(7);
    let world = world();
    let mut shards = Vec::new();
    for number in 0..6 {
        if number == 3 {
            world.aws.inject(|_| Fault::TransactionConflict { item: 1 });
            let busy = world.read_models.write(&[new("O-0", [Tally::of("open", 1)])]).await;
            assert!(matches!(busy, Err(WriteError::Busy)), "{busy:?}");
            world.aws.heal();
        }
        let since = stored(&world);
        write(&world, &[new(&format!("O-{number}"), [Tally::of("open", 1)])]).await;
        shards.push(newest_shard(&world, &since));
    }
    assert!(shards[..3].iter().all(|shard| *shard == shards[0]), "{shards:?}");
    assert!(shards[3..].iter().all(|shard| *shard == shards[3]), "{shards:?}");
    assert_ne!(shards[0], shards[3]);
    assert_eq!(report(&world).await, totals([("open", 6)]));
}

/// Several updaters bring the same documents forward, a step at a time, each from what it reads.
#[tokio::test(start_paused = true)]
async fn totals_are_exact_however_writers_interleave() {
    const WRITERS: usize = 6;
    const DOCUMENTS: u64 = 4;
    const VERSIONS: u64 = 12;
    let world = world();
    let mut random = fastrand::Rng::with_seed(7);
    world.aws.inject(move |attempt| match (attempt.operation, random.u32(..6)) {
        ("TransactWriteItems", 0) => Fault::TransactionConflict { item: 0 },
        ("TransactWriteItems", 1) => Fault::LoseAnswer,
        ("TransactWriteItems", 2) => Fault::LoseRequest,
        (_, 3) => Fault::Throttle,
        _ => Fault::None,
    });
    // Each version counts for a day of its own, and takes back half of what the one before did.
    let step = async |read_models: &ReadModels, document: u64| {
        let id = format!("O-{document}");
        let Ok(row) = read_models.get(&tenant("acme"), "orders", &aggregate_id(&id)).await else { return false };
        let to_version = row.as_ref().map_or(0, |row| row.version) + 1;
        if to_version > VERSIONS {
            return true;
        }
        let by = i64::try_from(to_version).expect("a small number");
        let of_the_day = tally("sum", by, &format!("2026-01-{to_version:02}"));
        let from = row.map(|row| {
            let taken_back = row.tallies.unwrap_or_default().into_iter().take(1).collect();
            Replaced { version: row.version, revision: row.revision, taken_back }
        });
        let first = new(&id, [of_the_day, Tally::of(format!("of-{document}"), 1)]);
        // Whatever comes of it, the next step begins with what is there.
        drop(read_models.write(&[Change { from, to_version, ..first }]).await);
        false
    };
    join_all((0..WRITERS).map(|_| async {
        let read_models = ReadModels::new(world.aws.dynamodb(), TABLES.read_models);
        for document in 0..DOCUMENTS {
            while !step(&read_models, document).await {}
        }
    }))
    .await;
    world.aws.heal();
    let of = (0..DOCUMENTS).map(|document| (format!("of-{document}"), 12));
    let sum = ("sum".to_owned(), 4 * 12);
    assert_eq!(report(&world).await, of.chain([sum]).collect(), "{}", world.aws.calls());
    let days = by_day(&world, "2026-01-01"..="2026-01-31").await;
    assert_eq!(days, BTreeMap::from([(day("2026-01-12"), totals([("sum", 4 * 12)]))]));
    let shards: BTreeSet<_> = stored(&world).iter().map(|item| item["id"].to_string()).collect();
    assert!(shards.len() > WRITERS, "{shards:?}");
}
