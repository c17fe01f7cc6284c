//! Totals that are counted anew from documents, and set right, while others write.

use std::time::Duration;

use kernel::projection::Tally;
use serde_json::{Value, json};
use store::StoreError;
use store::read_models::{Change, Counted, Difference, ReadModels, Stored, WriteError};
use testkit::{Fault, TABLES};
use tokio::time::{Instant, sleep};

use crate::totals::{day, new, report, tally, world, write};
use crate::world::{World, aggregate_id, tenant};

async fn count(world: &World) -> Option<Counted> {
    world.read_models.count(&tenant("acme"), "orders").await.expect("an answer")
}

async fn counted(world: &World) -> Counted {
    count(world).await.expect("a moment without changes")
}

async fn set_right(world: &World, counted: &Counted) -> bool {
    world.read_models.set_right(counted).await.expect("an answer")
}

/// Three orders, each on a day of its own.
async fn orders() -> World {
    let world = world();
    for (id, day) in [("O-2", "2026-01-31"), ("O-1", "2026-01-31"), ("O-3", "2026-02-01")] {
        write(&world, &[new(id, [tally("open", 1, day), Tally::of("ever", 1)])]).await;
    }
    world
}

/// Somebody adds this to a total, in a shard.
fn bend(world: &World, place: (&str, &str), total: &str, amount: i64) {
    let key = format!("acme#orders#totals#{}", place.0);
    let mut items = world.aws.items(TABLES.read_models).into_iter();
    let item = items.find(|item| item["collection_key"] == key && item["id"] == place.1);
    let mut item = item.unwrap_or_else(|| json!({ "collection_key": key, "id": place.1 }));
    let name = format!("sum:{total}");
    item[&name] = json!(item[&name].as_i64().unwrap_or_default() + amount);
    world.aws.insert(TABLES.read_models, &item);
}

fn bend_row(world: &World, id: &str, bend: impl FnOnce(&mut Value)) {
    let mut items = world.aws.items(TABLES.read_models).into_iter();
    let mut row = items.find(|row| row["collection_key"] == "acme#orders" && row["id"] == id).expect("a document");
    bend(&mut row);
    world.aws.insert(TABLES.read_models, &row);
}

fn difference(total: &str, day: Option<&str>, (documents, totals): (i64, i64)) -> Difference {
    Difference { total: total.to_owned(), day: day.map(self::day), documents, totals }
}

#[tokio::test(start_paused = true)]
async fn totals_that_are_the_sum_differ_nowhere_and_documents_come_in_order() {
    let world = orders().await;
    let counted = counted(&world).await;
    assert_eq!(counted.documents, ["O-1", "O-2", "O-3"].map(aggregate_id));
    assert_eq!((counted.unreadable.len(), counted.differences.len()), (0, 0), "{counted:?}");
    let stored = world.aws.items(TABLES.read_models);
    assert!(set_right(&world, &counted).await);
    assert_eq!(world.aws.items(TABLES.read_models), stored, "there is nothing to set right");
    let empty = world.read_models.count(&tenant("globex"), "orders").await.expect("an answer").expect("a moment");
    assert!(empty.documents.is_empty() && empty.differences.is_empty(), "{empty:?}");
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_told_and_set_right_of_all_time_of_a_day_and_of_releases_before() {
    let world = orders().await;
    bend(&world, ("all", "007"), "ever", 5);
    bend(&world, ("days", "2026-01-31#007"), "open", -2);
    bend(&world, ("days", "2026-03-01#007"), "gone", 1);
    let before = json!({ "collection_key": "acme#orders#totals", "id": "open", "amount": 4 });
    world.aws.insert(TABLES.read_models, &before);
    let counted = counted(&world).await;
    let expected = [
        difference("ever", None, (3, 8)),
        difference("open", None, (3, 7)),
        difference("open", Some("2026-01-31"), (2, 0)),
        difference("gone", Some("2026-03-01"), (0, 1)),
    ];
    assert_eq!(counted.differences, expected);
    assert!(set_right(&world, &counted).await);
    assert_eq!(self::counted(&world).await.differences, []);
    assert_eq!(report(&world).await, [("ever".to_owned(), 3), ("open".to_owned(), 3)].into());
    bend(&world, ("all", "007"), "open", 1);
    let counted = self::counted(&world).await;
    assert!(set_right(&world, &counted).await, "a second time as well");
    assert_eq!(self::counted(&world).await.differences, []);
}

#[tokio::test(start_paused = true)]
async fn many_days_are_set_right_in_several_transactions() {
    let world = orders().await;
    for nth in 0..230 {
        let day = format!("20{:02}-{:02}-{:02}", 30 + nth / 100, 1 + nth / 20 % 5, 1 + nth % 20);
        bend(&world, ("days", &format!("{day}#007")), "open", 1);
    }
    let counted = counted(&world).await;
    assert_eq!(counted.differences.len(), 230);
    world.aws.forget_calls();
    assert!(set_right(&world, &counted).await);
    assert_eq!(world.aws.count("TransactWriteItems"), 3);
    assert_eq!(self::counted(&world).await.differences, []);
}

/// Two that count at the same time, one that comes late, and one whose answer is lost.
#[tokio::test(start_paused = true)]
async fn a_difference_is_set_right_once() {
    let world = orders().await;
    bend(&world, ("all", "007"), "open", 9);
    let (one, other) = (counted(&world).await, counted(&world).await);
    assert!(set_right(&world, &one).await);
    assert!(!set_right(&world, &other).await, "somebody was faster");
    assert_eq!(counted(&world).await.differences, []);

    bend(&world, ("all", "007"), "open", 9);
    let counted = counted(&world).await;
    let late = Duration::from_mins(1);
    world.aws.inject(move |attempt| match attempt.operation {
        "TransactWriteItems" => Fault::Late(late),
        _ => Fault::None,
    });
    let given_up = tokio::time::timeout(Duration::from_secs(1), world.read_models.set_right(&counted)).await;
    assert!(given_up.is_err(), "{given_up:?}");
    world.aws.heal();
    let again = self::counted(&world).await;
    assert_eq!(again.differences, counted.differences, "it is on its way");
    assert!(set_right(&world, &again).await);
    sleep(late).await;
    assert_eq!(self::counted(&world).await.differences, []);

    bend(&world, ("all", "007"), "open", 9);
    let counted = self::counted(&world).await;
    world.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" => Fault::LoseAnswer,
        _ => Fault::None,
    });
    drop(world.read_models.set_right(&counted).await);
    world.aws.heal();
    assert_eq!(self::counted(&world).await.differences, []);
}

/// An updater moves documents and totals alike.
#[tokio::test(start_paused = true)]
async fn what_is_written_between_counting_and_setting_right_takes_nothing_away() {
    let world = orders().await;
    bend(&world, ("all", "007"), "open", 9);
    bend(&world, ("days", "2026-01-31#007"), "open", 9);
    let counted = counted(&world).await;
    for id in ["O-4", "O-5"] {
        write(&world, &[new(id, [tally("open", 1, "2026-01-31")])]).await;
    }
    assert!(set_right(&world, &counted).await);
    assert_eq!(self::counted(&world).await.differences, []);
}

/// Also where the changes of a transaction cancel each other out.
#[tokio::test(start_paused = true)]
async fn while_documents_move_totals_nothing_is_counted() {
    for cancels_out in [false, true] {
        let world = orders().await;
        bend(&world, ("all", "007"), "open", 9);
        world.aws.every_call_takes(Duration::from_millis(20));
        let writing = async {
            for nth in 0.. {
                let pair =
                    [("M", 1), ("N", -1)].map(|(id, amount)| new(&format!("{id}-{nth}"), [Tally::of("open", amount)]));
                write(&world, if cancels_out { &pair } else { &pair[..1] }).await;
            }
        };
        let counted = tokio::select! {
            counted = count(&world) => counted,
            () = writing => panic!("it has no end"),
        };
        assert_eq!(counted, None, "{cancels_out}");
        assert_eq!(self::counted(&world).await.differences.len(), 1, "now there is time");
    }
}

/// Other reads than transactions' own may see half of what a transaction writes.
#[tokio::test(start_paused = true)]
async fn half_of_a_transaction_is_no_difference() {
    let world = orders().await;
    bend(&world, ("all", "007"), "open", 1);
    let writing = async {
        sleep(Duration::from_secs(1)).await;
        bend(&world, ("all", "007"), "open", -1);
    };
    let (counted, ()) = tokio::join!(counted(&world), writing);
    assert_eq!(counted.differences, []);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_does_not_say_what_it_adds_cannot_be_counted() {
    let world = orders().await;
    bend_row(&world, "O-1", |row| drop(row.as_object_mut().expect("an item").remove("tallies")));
    let began = Instant::now();
    assert_eq!(count(&world).await, None);
    assert!(began.elapsed() < Duration::from_secs(1), "waiting does not help");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_told_and_leaves_totals_open() {
    let world = orders().await;
    bend(&world, ("all", "007"), "open", 9);
    bend_row(&world, "O-1", |row| row["version"] = json!("one"));
    let foreign = json!({ "collection_key": "acme#orders", "id": "no id", "document": "{}" });
    world.aws.insert(TABLES.read_models, &foreign);
    let counted = counted(&world).await;
    assert_eq!(counted.documents, ["O-2", "O-3"].map(aggregate_id));
    assert_eq!(counted.unreadable, ["O-1", "no id"]);
    assert_eq!(counted.differences, []);
}

#[tokio::test(start_paused = true)]
async fn a_total_that_is_no_number_is_an_error() {
    let world = orders().await;
    let bent = json!({ "collection_key": "acme#orders#totals#all", "id": "007", "sum:open": "many" });
    world.aws.insert(TABLES.read_models, &bent);
    let counted = world.read_models.count(&tenant("acme"), "orders").await;
    assert!(matches!(counted, Err(StoreError::Corrupt { .. })), "{counted:?}");
}

/// What is written in place of what cannot be read is written if that is still there, and moves no totals.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_replaced_unless_it_was_meanwhile() {
    async fn unreadable(world: &World) -> Stored {
        let found = world.read_models.find(&tenant("acme"), "orders", &aggregate_id("O-1")).await;
        found.expect("an answer").expect("an item")
    }
    let anew =
        |document: &str| Change { document: document.to_owned(), ..new("O-1", [tally("closed", 1, "2026-01-31")]) };
    for (attribute, value) in [
        ("version", json!("one")),
        ("document", json!({ "order": [1, null] })),
        ("document", Value::Null),
        ("tallies", json!(7)),
        ("revision", json!(-1)),
        ("layout", json!("two")),
    ] {
        for (meanwhile, other) in [("version", json!(2)), ("document", json!("[2]")), ("revision", json!(9))] {
            let world = orders().await;
            bend_row(&world, "O-1", |row| row[attribute] = value.clone());
            let totals = report(&world).await;
            let Stored::Unreadable(item) = unreadable(&world).await else { panic!("{attribute} can be read") };
            world.read_models.replace(&item, &anew("[1]")).await.expect("written");
            let row = world.read_models.get(&tenant("acme"), "orders", &aggregate_id("O-1")).await.expect("read");
            let row = row.expect("a document");
            assert_eq!((row.document.as_str(), row.version, row.revision), ("[1]", 1, 1));
            assert_eq!(report(&world).await, totals);

            bend_row(&world, "O-1", |row| row[attribute] = value.clone());
            let Stored::Unreadable(item) = unreadable(&world).await else { panic!("{attribute} can be read") };
            bend_row(&world, "O-1", |row| row[meanwhile] = other.clone());
            let late = world.read_models.replace(&item, &anew("[3]")).await;
            assert!(matches!(late, Err(WriteError::Overtaken(_))), "{attribute}, {meanwhile}: {late:?}");
        }
    }
    let gone = World::on(testkit::Aws::new(), orders().await.context);
    assert!(gone.read_models.find(&tenant("acme"), "orders", &aggregate_id("O-1")).await.expect("read").is_none());
}

/// Whatever number they have, more of them than a rebuild has segments are at shards of their own.
#[tokio::test(start_paused = true)]
async fn those_that_write_side_by_side_move_other_shards() {
    let world = world();
    for number in 0..64 {
        let one: ReadModels = world.read_models.numbered(number);
        one.write(&[new(&format!("O-{number}"), [Tally::of("open", 1)])]).await.expect("written");
    }
    let items = world.aws.items(TABLES.read_models).into_iter();
    assert_eq!(items.filter(|item| item["collection_key"] == "acme#orders#totals#all").count(), 64);
}
