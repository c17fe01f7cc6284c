//! Read models: documents, and lists that show everything once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kernel::projection::{Listing, Tally};
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use store::read_models::{By, Change, Key, ListPage, ReadModels, Replaced, Row, WriteError};
use testkit::{Fault, TABLES};
use tokio::time::Instant;

use crate::probe;
use crate::world::{World, aggregate_id, run, tenant};

const DAY: u64 = 24 * 60 * 60 * 1000;

fn world() -> World {
    World::of(probe::context::<1>())
}

fn key(owner: &str, id: &str) -> Key {
    Key { tenant: tenant(owner), collection: "orders", id: aggregate_id(id) }
}

/// A document's first version.
fn new(key: Key, owner: &str, state: &str, time: u64) -> Change {
    Change {
        key,
        from: None,
        to_version: 1,
        layout: 1,
        document: "{}".to_owned(),
        listing: Listing { owner: owner.to_owned(), state: state.to_owned(), time: Timestamp::from_millis(time) },
        tallies: vec![Tally::of(state, 1)],
    }
}

/// The change's row as an item without types.
fn item(change: &Change) -> Value {
    serde_json::to_value(Row::of(change)).expect("JSON")
}

async fn write(world: &World, changes: &[Change]) {
    for some in changes.chunks(20) {
        world.read_models.write(some).await.expect("written");
    }
}

fn ids(page: &ListPage) -> Vec<&str> {
    page.rows.iter().map(|row| row.id.as_str()).collect()
}

/// The whole list, as a client reads it part by part; and how many calls the worst part took.
async fn read_all(world: &World, owner: &str, by: By<'_>, limit: usize) -> (Vec<String>, usize) {
    let (mut found, mut before, mut most_calls) = (Vec::new(), None, 0);
    loop {
        world.aws.forget_calls();
        let owner = tenant(owner);
        let page = world.read_models.list(&owner, "orders", by, before.as_deref(), limit).await;
        let page = page.expect("a part of the list");
        most_calls = most_calls.max(world.aws.calls().len());
        assert!(page.rows.len() <= limit, "{} rows of at most {limit}", page.rows.len());
        found.extend(page.rows.iter().map(|row| row.id.clone()));
        assert!(page.next.is_none() || page.next != before, "stuck at {before:?}");
        before = page.next;
        if before.is_none() {
            return (found, most_calls);
        }
    }
}

mod writing {
    use super::*;

    #[tokio::test]
    async fn a_document_is_written_on_the_version_it_was_made_from() {
        let world = world();
        let first = new(key("acme", "O-1"), "C-7", "open", 1);
        world.read_models.write(std::slice::from_ref(&first)).await.expect("new");
        let from = Some(Replaced { version: 1, revision: 0, taken_back: first.tallies.clone() });
        let second = Change { from, to_version: 3, document: "[3]".to_owned(), ..first.clone() };
        world.read_models.write(std::slice::from_ref(&second)).await.expect("the next one");

        let neighbour = new(key("acme", "O-2"), "C-7", "open", 1);
        for late in [first, second] {
            match world.read_models.write(&[neighbour.clone(), late]).await {
                Err(WriteError::Overtaken(keys)) => assert_eq!(keys, [key("acme", "O-1")]),
                other => panic!("overtaken, not {other:?}"),
            }
        }
        let row = world.read_models.get(&tenant("acme"), "orders", &aggregate_id("O-1")).await.expect("read");
        let row = row.expect("a row");
        assert_eq!((row.version, row.document.as_str()), (3, "[3]"));
        let neighbour = world.read_models.get(&tenant("acme"), "orders", &aggregate_id("O-2")).await.expect("read");
        assert_eq!(neighbour, None, "all or nothing");
    }

    /// Of two that make it anew at once, one would take back what is there no more; and who brings it forward meanwhile has
    /// read another document.
    #[tokio::test]
    async fn a_document_written_again_at_its_version_overtakes_whoever_has_read_it() {
        let world = world();
        let first = new(key("acme", "O-1"), "C-7", "open", 1);
        write(&world, std::slice::from_ref(&first)).await;
        let from = Some(Replaced { version: 1, revision: 0, taken_back: first.tallies.clone() });
        let anew = Change { from: from.clone(), layout: 2, document: "[2]".to_owned(), ..first.clone() };
        write(&world, std::slice::from_ref(&anew)).await;
        let forward = Change { from, to_version: 2, ..first };
        for late in [&anew, &forward] {
            let late = world.read_models.write(std::slice::from_ref(late)).await;
            assert!(matches!(late, Err(WriteError::Overtaken(_))), "{late:?}");
        }
        let row = world.read_models.get(&tenant("acme"), "orders", &aggregate_id("O-1")).await.expect("read");
        let row = row.expect("a row");
        assert_eq!((row.version, row.revision, row.layout), (1, 1, 2));
        let from = Some(Replaced { version: 1, revision: 1, taken_back: anew.tallies.clone() });
        write(&world, &[Change { from: from.clone(), document: "[3]".to_owned(), ..anew.clone() }]).await;
        let late = world.read_models.write(&[Change { from, ..anew.clone() }]).await;
        assert!(matches!(late, Err(WriteError::Overtaken(_))), "{late:?}");
        let from = Some(Replaced { version: 1, revision: 2, taken_back: anew.tallies.clone() });
        write(&world, &[Change { from, to_version: 2, ..anew }]).await;
        let row = world.read_models.get(&tenant("acme"), "orders", &aggregate_id("O-1")).await.expect("read");
        assert_eq!(row.map(|row| (row.version, row.revision)), Some((2, 0)), "counted from there");
        let totals = world.read_models.report(&tenant("acme"), "orders").await.expect("totals");
        assert_eq!(totals, BTreeMap::from([("open".to_owned(), 1)]));
    }

    #[tokio::test]
    async fn a_document_is_stored_with_its_places_in_the_lists_and_its_owner() {
        let world = world();
        // FNV-1a gives the number of a state's partition.
        for (id, owner, partition) in [("O-10", "C#7", 0), ("O-2", "", 1), ("O-3", "C-7", 2), ("O-11", "#", 3)] {
            write(&world, &[new(key("acme", id), owner, "open", 1)]).await;
            let item = json!({
                "collection_key": "acme#orders",
                "id": id,
                "document": "{}",
                "version": 1,
                "tallies": [{ "name": "open", "amount": 1 }],
                "owner_key": format!("acme#orders#{owner}"),
                "state_key": format!("acme#orders#open#{partition}"),
                "list_sort": format!("1970-01-01T00:00:00.001Z#{id}"),
            });
            let stored = world.aws.items(TABLES.read_models);
            assert!(stored.contains(&item), "{item:#} is not in {stored:#?}");
            let row = world.read_models.get(&tenant("acme"), "orders", &aggregate_id(id)).await.expect("read");
            assert_eq!(row.expect("a row").owner(), owner);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_item_is_told_from_a_store_that_is_down() {
        let world = world();
        let change = [new(key("acme", "O-1"), "C-7", "open", 1)];
        world.aws.inject(|_| Fault::TransactionConflict { item: 1 });
        assert!(matches!(world.read_models.write(&change).await, Err(WriteError::Busy)));
        let alone = change.clone().map(|change| Change { tallies: Vec::new(), ..change });
        world.aws.inject(|_| Fault::TransactionConflict { item: 0 });
        assert!(matches!(world.read_models.write(&alone).await, Err(WriteError::Busy)), "with nothing beside it");
        world.aws.inject(|_| Fault::Throttle);
        assert!(matches!(world.read_models.write(&change).await, Err(WriteError::Store(_))));
    }

    #[tokio::test]
    async fn an_answer_lost_on_the_way_counts_nothing_twice() {
        let world = world();
        world.aws.inject(|attempt| match (attempt.operation, attempt.nth) {
            ("TransactWriteItems", 1) => Fault::LoseAnswer,
            _ => Fault::None,
        });
        write(&world, &[new(key("acme", "O-1"), "C-7", "open", 1)]).await;
        let report = world.read_models.report(&tenant("acme"), "orders").await.expect("totals");
        assert_eq!(report, BTreeMap::from([("open".to_owned(), 1)]));
    }

    #[tokio::test(start_paused = true)]
    async fn many_documents_are_read_in_one_call() {
        let world = world();
        let keys: Vec<_> = (0..100).map(|number| key(["acme", "globex"][number % 2], &format!("O-{number}"))).collect();
        let changes: Vec<_> = keys[..60].iter().map(|key| new(key.clone(), "C-7", "open", 1)).collect();
        write(&world, &changes).await;
        // What an answer leaves out is asked for again, a moment later.
        for left_out in [0, 1, 99] {
            world.aws.inject(move |attempt| match attempt.body.matches("collection_key").count() {
                100 => Fault::FailEntries((0..left_out).collect()),
                _ => Fault::None,
            });
            world.aws.forget_calls();
            let start = Instant::now();
            let found = world.read_models.get_many(&keys).await.expect("documents");
            assert_eq!(found.keys().collect::<BTreeSet<_>>(), keys[..60].iter().collect::<BTreeSet<_>>());
            let calls = if left_out == 0 { 1 } else { 2 };
            assert_eq!(world.aws.calls().len(), calls, "{}", world.aws.calls());
            assert_eq!(start.elapsed() >= Duration::from_millis(10), left_out > 0, "{left_out} left out");
        }
        assert!(world.read_models.get_many(&[]).await.expect("nothing").is_empty());
    }

    /// Changes with totals of so many days each: as many items, and one of all time.
    fn of_days(each: &[u64]) -> Vec<Change> {
        let of = |(number, days): (usize, &u64)| Change {
            tallies: (0..*days).map(|day| Tally::of("open", 1).on(Timestamp::from_millis(day * DAY))).collect(),
            ..new(key("acme", &format!("O-{number}")), "C-7", "open", 1)
        };
        each.iter().enumerate().map(of).collect()
    }

    /// Changes with documents of so many bytes.
    fn of_bytes(each: &[usize]) -> Vec<Change> {
        let of = |(change, bytes): (Change, &usize)| Change { document: "d".repeat(*bytes), ..change };
        of_days(&vec![0; each.len()]).into_iter().zip(each).map(of).collect()
    }

    /// A document is an action, and so is each item of totals. A document weighs 2 kB more than it is long.
    #[tokio::test]
    async fn as_many_changes_fit_as_have_a_hundred_actions_and_weigh_four_megabytes_with_some_room_left() {
        const TWELFTH: usize = (4 * 1024 - 64) * 1024 / 12 - 2 * 1024;
        let heavier = [&[TWELFTH + 1][..], &[TWELFTH; 12]].concat();
        for (changes, expected) in [
            (Vec::new(), 1),
            (of_days(&[0; 3]), 3),
            (of_days(&[0; 51]), 50),
            (of_days(&[2; 26]), 25),
            (of_days(&[48, 48, 0]), 2),
            (of_days(&[48, 49, 0]), 1),
            (of_days(&[100, 0]), 1),
            (of_bytes(&[TWELFTH; 13]), 12),
            (of_bytes(&heavier), 11),
            (of_bytes(&[5_000_000, 2]), 1),
        ] {
            let lengths: Vec<_> = changes.iter().map(|change| (change.tallies.len(), change.document.len())).collect();
            assert_eq!(ReadModels::fitting(changes.iter()), expected, "days and bytes: {lengths:?}");
        }
        for full in [of_days(&[2; 25]), of_bytes(&[TWELFTH; 12])] {
            world().read_models.write(&full).await.expect("a transaction that DynamoDB takes");
        }
    }
}

mod lists {
    use super::*;

    const OPEN: By<'static> = By::State("open");

    fn of(owner: &str) -> By<'_> {
        By::Owner { owner, state: None }
    }

    #[tokio::test]
    async fn lists_show_the_newest_first_by_owner_by_state_and_by_both() {
        let world = world();
        let orders = [
            ("O-1", "C-7", "open", 10),
            ("O-2", "C-8", "open", 20),
            ("O-3", "C-7", "closed", 30),
            ("O-4", "C-7", "open", 40),
            ("O-5", "C-7", "opened", 50),
        ];
        write(&world, &orders.map(|(id, owner, state, time)| new(key("acme", id), owner, state, time))).await;
        for (by, expected) in [
            (of("C-7"), vec!["O-5", "O-4", "O-3", "O-1"]),
            (OPEN, vec!["O-4", "O-2", "O-1"]),
            (By::Owner { owner: "C-7", state: Some("open") }, vec!["O-4", "O-1"]),
            (By::Owner { owner: "C-7", state: Some("opened") }, vec!["O-5"]),
            (of("C-9"), vec![]),
            (By::State("lost"), vec![]),
        ] {
            // One that is just so long as it may be is the last part all the same.
            for limit in [expected.len().max(1), 10] {
                let page = world.read_models.list(&tenant("acme"), "orders", by, None, limit).await.expect("a list");
                assert_eq!((ids(&page), page.next.as_deref()), (expected.clone(), None), "{by:?}, limit {limit}");
            }
        }
    }

    #[tokio::test]
    async fn a_part_of_a_list_weighs_three_megabytes_at_most() {
        const EIGHTH: usize = 3 * 1024 * 1024 / 8;
        for (bytes, fitting) in [(EIGHTH, 8), (EIGHTH + 1, 7)] {
            let world = world();
            let document = "d".repeat(bytes);
            let large = |number| new(key("acme", &format!("O-{number}")), "C-7", "open", number);
            let changes: Vec<_> = (1..10).map(|n| Change { document: document.clone(), ..large(n) }).collect();
            write(&world, &changes).await;
            let all = ["O-9", "O-8", "O-7", "O-6", "O-5", "O-4", "O-3", "O-2", "O-1"];
            for by in [of("C-7"), OPEN] {
                let part = async |before| world.read_models.list(&tenant("acme"), "orders", by, before, 100).await;
                let first = part(None).await.expect("a part");
                assert_eq!(ids(&first), all[..fitting], "{by:?}, {bytes} each");
                let last = part(first.next.as_deref()).await.expect("a part");
                assert_eq!((ids(&last), last.next.as_deref()), (all[fitting..].to_vec(), None), "{by:?}, {bytes} each");
            }
        }
    }

    #[tokio::test]
    async fn a_document_is_listed_where_it_is_now() {
        let world = world();
        let open = new(key("acme", "O-1"), "C-7", "open", 10);
        let from = Some(Replaced { version: 1, revision: 0, taken_back: open.tallies.clone() });
        let closed = Change { from, to_version: 2, ..new(key("acme", "O-1"), "C-8", "closed", 10) };
        write(&world, &[open]).await;
        write(&world, &[closed]).await;
        for (by, expected) in
            [(OPEN, vec![]), (of("C-7"), vec![]), (of("C-8"), vec!["O-1"]), (By::State("closed"), vec!["O-1"])]
        {
            let page = world.read_models.list(&tenant("acme"), "orders", by, None, 10).await.expect("a list");
            assert_eq!(ids(&page), expected, "{by:?}");
        }
    }

    #[tokio::test]
    async fn tenants_and_collections_see_nothing_of_each_other() {
        let world = world();
        let elsewhere = Key { collection: "policies", ..key("acme", "O-1") };
        let changes = [key("acme", "O-1"), key("globex", "O-1"), elsewhere].map(|key| new(key, "C-7", "open", 10));
        write(&world, &changes).await;
        for by in [OPEN, of("C-7"), By::Owner { owner: "C-7", state: Some("open") }] {
            for (owner, collection, count) in
                [("acme", "orders", 1), ("acme", "policies", 1), ("globex", "orders", 1), ("globex", "policies", 0)]
            {
                let page = world.read_models.list(&tenant(owner), collection, by, None, 10).await.expect("a list");
                assert_eq!(page.rows.len(), count, "{owner} {collection} {by:?}");
                let partition = format!("{owner}#{collection}");
                assert!(page.rows.iter().all(|row| row.collection_key == partition), "{:?}", page.rows);
            }
        }
        let missing = world.read_models.get(&tenant("globex"), "policies", &aggregate_id("O-1")).await.expect("read");
        assert_eq!(missing, None);
        let report = world.read_models.report(&tenant("globex"), "policies").await.expect("totals");
        assert!(report.is_empty(), "{report:?}");
        assert_eq!(world.aws.items(TABLES.read_models).len(), 6, "three documents, three totals");
    }

    #[tokio::test]
    async fn the_few_in_a_state_are_found_among_an_owners_many_in_bounded_calls() {
        let world = world();
        let changes: Vec<_> = (0..300_u64)
            .map(|number| {
                let state = if number % 100 == 0 { "lost" } else { "open" };
                new(key("acme", &format!("O-{number}")), "C-7", state, number)
            })
            .collect();
        write(&world, &changes).await;
        for limit in [1, 2, 10] {
            let lost = By::Owner { owner: "C-7", state: Some("lost") };
            let (found, most_calls) = read_all(&world, "acme", lost, limit).await;
            assert_eq!(found, ["O-200", "O-100", "O-0"], "limit {limit}");
            assert!(most_calls <= 11, "{most_calls} calls for one part");
        }
    }

    #[tokio::test]
    async fn one_call_looks_through_ten_pages_for_what_is_still_missing_and_says_how_far_it_came() {
        let world = world();
        let changes: Vec<_> = (0..40_u64)
            .map(|number| {
                let state = if number == 39 { "lost" } else { "open" };
                new(key("acme", &format!("O-{number}")), "C-7", state, number)
            })
            .collect();
        write(&world, &changes).await;
        world.aws.forget_calls();
        let lost = By::Owner { owner: "C-7", state: Some("lost") };
        let page = world.read_models.list(&tenant("acme"), "orders", lost, None, 2).await.expect("a part");
        // Three on the first page, to see whether there are more than two; two on each of the nine after it. Then the document.
        assert_eq!((ids(&page), page.next.as_deref()), (vec!["O-39"], Some("1970-01-01T00:00:00.019Z#O-19")));
        assert_eq!(world.aws.calls().len(), 11, "{}", world.aws.calls());
    }

    #[tokio::test]
    async fn a_document_that_moves_while_a_list_is_read_is_not_where_it_was() {
        let world = world();
        for (by, owner, state) in [(OPEN, "C-7", "closed"), (of("C-7"), "C-8", "open")] {
            for id in ["O-1", "O-2"] {
                world.aws.insert(TABLES.read_models, &item(&new(key("acme", id), "C-7", "open", 10)));
            }
            let (aws, moved) = (world.aws.clone(), item(&new(key("acme", "O-1"), owner, state, 10)));
            world.aws.inject(move |attempt| {
                if attempt.operation == "BatchGetItem" {
                    aws.insert(TABLES.read_models, &moved);
                }
                Fault::None
            });
            let page = world.read_models.list(&tenant("acme"), "orders", by, None, 10).await.expect("a list");
            world.aws.heal();
            assert_eq!((ids(&page), page.next.as_deref()), (vec!["O-2"], None), "{by:?}");
        }
    }

    #[tokio::test]
    async fn the_documents_of_a_state_are_spread_over_its_partitions() {
        let world = world();
        let changes: Vec<_> = (0..100).map(|n| new(key("acme", &format!("O-{n}")), "C-7", "open", n)).collect();
        write(&world, &changes).await;
        let mut spread = BTreeMap::new();
        for item in world.aws.items(TABLES.read_models) {
            *spread.entry(item["state_key"].as_str().map(str::to_owned)).or_insert(0) += 1;
        }
        let expected = [(None, 1), (Some(0), 26), (Some(1), 24), (Some(2), 24), (Some(3), 26)];
        let of = |partition: Option<u32>| partition.map(|number| format!("acme#orders#open#{number}"));
        assert_eq!(spread, expected.map(|(partition, count)| (of(partition), count)).into());
    }

    fn in_first_shard(row: &Value) -> Option<String> {
        let first = row["state_key"].as_str().is_some_and(|key| key.ends_with("#0"));
        row["id"].as_str().filter(|_| first).map(str::to_owned)
    }

    #[tokio::test]
    async fn documents_so_large_that_few_fit_an_answer_are_not_skipped() {
        let world = world();
        let document = format!("\"{}\"", "d".repeat(380_000));
        let probes: Vec<_> = (0..140).map(|number| new(key("probe", &format!("O-{number}")), "C", "open", 0)).collect();
        write(&world, &probes).await;
        let of_one_shard: BTreeSet<_> =
            world.aws.items(TABLES.read_models).iter().filter_map(in_first_shard).take(26).collect();
        let changes = probes.into_iter().zip(0..).map(|(probe, number)| {
            let id = probe.key.id.as_str();
            // The large ones are newer than all others.
            if of_one_shard.contains(id) {
                Change { document: document.clone(), ..new(key("acme", id), "C-7", "open", 1_000 + number) }
            } else {
                new(key("acme", id), "C-7", "open", number)
            }
        });
        let changes: Vec<_> = changes.collect();
        for some in changes.chunks(10) {
            world.read_models.write(some).await.expect("written");
        }
        assert_eq!(of_one_shard.len(), 26, "enough large ones to matter");

        let (found, most_calls) = read_all(&world, "acme", OPEN, 100).await;

        let mut expected: Vec<_> = changes.iter().map(|change| (change.listing.time, &change.key.id)).collect();
        expected.sort_by(|a, b| b.cmp(a));
        assert_eq!(found, expected.iter().map(|(_, id)| id.to_string()).collect::<Vec<_>>());
        assert!(most_calls <= 8, "{most_calls} calls: one for each shard, and one for 25 documents");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn cursors_give_every_document_once(
            documents in prop::collection::vec((0..2_usize, 0..3_usize, 0..12_u64), 0..50),
            limit in 1..60_usize,
        ) {
            run(async {
                let world = world();
                let owners = ["C-7", "C-8"];
                let states = ["open", "closed", "lost"];
                let changes: Vec<_> = documents
                    .iter()
                    .enumerate()
                    .map(|(number, (owner, state, time))| {
                        new(key("acme", &format!("O-{number}")), owners[*owner], states[*state], *time)
                    })
                    .collect();
                write(&world, &changes).await;
                let expect = |filter: &dyn Fn(&Listing) -> bool| {
                    let mut listed: Vec<_> = changes.iter().filter(|change| filter(&change.listing)).collect();
                    listed.sort_by_key(|change| std::cmp::Reverse((change.listing.time, change.key.id.clone())));
                    listed.iter().map(|change| change.key.id.to_string()).collect::<Vec<_>>()
                };
                for owner in owners {
                    let (found, _) = read_all(&world, "acme", By::Owner { owner, state: None }, limit).await;
                    assert_eq!(found, expect(&|listing| listing.owner == owner), "{owner}, limit {limit}");
                    for state in states {
                        let (found, _) =
                            read_all(&world, "acme", By::Owner { owner, state: Some(state) }, limit).await;
                        let expected = expect(&|listing| listing.owner == owner && listing.state == state);
                        assert_eq!(found, expected, "{owner} {state}, limit {limit}");
                    }
                }
                for state in states {
                    let (found, _) = read_all(&world, "acme", By::State(state), limit).await;
                    assert_eq!(found, expect(&|listing| listing.state == state), "{state}, limit {limit}");
                }
            });
        }
    }
}
