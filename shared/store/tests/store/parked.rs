//! Parked messages: set aside and listed. What is decided on them has files of its own.

use std::time::Duration;

use kernel::operation::Status;
use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use serde_json::{Value, json};
use store::operations::OperationRecord;
use store::parked::{OperatorAction, Page, ParkResult, ParkedMessage, Stage, Step, Summary, What, steps};
use testkit::{Fault, TABLES};

use crate::probe::{self, Command, Write};
use crate::world::{World, command, operation, parked, stream, tenant};

pub const EXPIRES: u64 = 1_900_000_000;

pub fn world() -> World {
    World::of(probe::context::<1>())
}

pub fn minute(number: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).plus(Duration::from_mins(number))
}

pub fn write() -> Command {
    Write { lines: 1, letters: 1 }.into()
}

/// What cannot be handled, and the record that says that it is parked.
pub fn troubled(id: &str, revision: u32, at: Timestamp) -> (ParkedMessage, OperationRecord) {
    let command = command(&stream("S-1"), id, &write());
    let receipt = command.receipt;
    let record = OperationRecord {
        outcome: Status::Parked,
        problem: Some(Problem::parked("it waits").to_json()),
        revision,
        recorded_at: at,
        ..operation(&command)
    };
    let summary = Summary {
        id: ParkedMessage::id(receipt.accepted_at, receipt.command_key),
        message_type: Some("Write".to_owned()),
        subject: Some("S-1".to_owned()),
        operation: Some(receipt.to_string()),
        revision,
        first_failed_at: at,
        first_parked_at: at,
        parked_at: at,
        ..parked("unused", String::new()).summary
    };
    (ParkedMessage::new(summary, format!("{id} in revision {revision}")), record)
}

/// A command that waits.
pub async fn waiting(world: &World, id: &str) -> (ParkedMessage, OperationRecord) {
    let (message, record) = troubled(id, 0, minute(0));
    assert_eq!(world.parked.park_command(&message, &record).await.expect("an answer"), ParkResult::Parked);
    (message, record)
}

/// What is no command: of a tenant or of none.
pub fn stranger(of: Option<&str>, queue: &str, number: u64) -> ParkedMessage {
    let of = of.map(tenant);
    let summary = Summary {
        parked_key: ParkedMessage::key(of.as_ref(), queue),
        id: ParkedMessage::id(minute(number), number),
        tenant: of,
        queue: queue.to_owned(),
        first_parked_at: minute(number),
        parked_at: minute(number),
        ..parked("unused", String::new()).summary
    };
    ParkedMessage::new(summary, number.to_string())
}

pub fn by(who: &str, at: Timestamp) -> OperatorAction<'_> {
    OperatorAction { by: who, reason: Some("as agreed"), at }
}

pub async fn now_parked(world: &World, message: &ParkedMessage) -> ParkedMessage {
    let Summary { parked_key, id, .. } = &message.summary;
    world.parked.find(parked_key, id).await.expect("an answer").expect("a message")
}

/// Everything that was done with the message, with its revisions, read in parts of so many revisions.
pub async fn history(world: &World, message: &ParkedMessage, revisions: u16) -> Vec<Step> {
    let now = now_parked(world, message).await;
    let mut history = steps(now.summary.revision, now.history);
    let mut before = None;
    loop {
        let past = world.parked.past(&message.summary, before, revisions).await.expect("a part");
        history.splice(..0, past.steps);
        before = past.before;
        if before.is_none() {
            return history;
        }
    }
}

/// What was done, and in which revision.
pub async fn done(world: &World, message: &ParkedMessage) -> Vec<(u32, What)> {
    history(world, message, 2).await.into_iter().map(|step| (step.revision, step.action.what)).collect()
}

/// The item as it is stored.
pub fn item(world: &World, message: &ParkedMessage) -> Value {
    let items = world.aws.items(TABLES.parked);
    items.into_iter().find(|item| item["id"] == message.summary.id).expect("an item")
}

pub fn outcome(world: &World, record: &OperationRecord) -> Value {
    world.recorded(record).expect("a record")["outcome"].clone()
}

pub async fn listed(world: &World) -> Vec<Summary> {
    world.parked.waiting("probe", None, |_| true, None, 100).await.expect("a page").messages
}

// Setting aside

#[tokio::test]
async fn what_is_set_aside_is_found_as_it_was() {
    let world = world();
    // DynamoDB lets no update set a key, be it to what it is; the one in memory would.
    world.aws.inject(|attempt| {
        let sets_a_key = [" parked_key = ", " id = "].iter().any(|set| attempt.body.contains(set));
        if sets_a_key { Fault::refuse(400, "ValidationException") } else { Fault::None }
    });
    let (message, record) = waiting(&world, "a").await;
    assert_eq!(outcome(&world, &record), "parked");
    assert_eq!(now_parked(&world, &message).await, message);
    assert_eq!(world.parked.before_repair(&message.summary, 0).await.expect("an answer"), None);
    assert_eq!(listed(&world).await, std::slice::from_ref(&message.summary));
    let unknown = world.parked.find(&message.summary.parked_key, "nothing").await.expect("an answer");
    assert_eq!(unknown, None);
    assert!(item(&world, &message)["expires_at"].is_null(), "what waits never expires");
}

#[tokio::test]
async fn a_reason_of_another_release_is_kept_as_it_was() {
    let world = world();
    let mut message = stranger(None, "probe", 1);
    message.summary.reason = Reason::Other("struck-by-lightning".to_owned());
    let message = ParkedMessage::new(message.summary, message.message);
    world.parked.park(&message).await.expect("parked");
    assert_eq!(item(&world, &message)["reason"], "struck-by-lightning");
    assert_eq!(now_parked(&world, &message).await, message);
}

#[tokio::test]
async fn what_waits_already_stays_as_it_is() {
    let world = world();
    let first = stranger(None, "probe", 1);
    world.parked.park(&first).await.expect("parked");
    let mut again = first.clone();
    again.summary.error = "something else".to_owned();
    again.summary.parked_at = minute(9);
    world.parked.park(&again).await.expect("no harm");
    assert_eq!(now_parked(&world, &first).await, first);

    let (message, record) = waiting(&world, "a").await;
    assert_eq!(world.parked.park_command(&message, &record).await.expect("an answer"), ParkResult::Settled);
    assert_eq!(now_parked(&world, &message).await, message);
}

#[tokio::test]
async fn parking_again_keeps_the_first_times_and_the_history() {
    let world = world();
    let (first, record) = troubled("a", 0, minute(1));
    world.parked.park_command(&first, &record).await.expect("parked");
    world.parked.resubmit(&first, first.message.clone(), false, by("ann", minute(2))).await.expect("resubmitted");
    let mut again = first.clone();
    again.summary.revision = 1;
    (again.summary.first_failed_at, again.summary.first_parked_at) = (minute(8), minute(9));
    again.summary.parked_at = minute(9);
    again.summary.error = "still wrong".to_owned();
    again.summary.attempts = 3;
    again.history[0].at = minute(9);

    let record = OperationRecord { revision: 1, ..record };
    assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), ParkResult::Parked);

    let now = now_parked(&world, &first).await;
    let Summary { first_failed_at, first_parked_at, parked_at, ref error, attempts, .. } = now.summary;
    assert_eq!((first_failed_at, first_parked_at), (first.summary.first_failed_at, minute(1)));
    assert_eq!((parked_at, error.as_str(), attempts), (minute(9), "still wrong", 3));
    assert_eq!(done(&world, &first).await, [(0, What::Parked), (0, What::Resubmitted), (1, What::Parked)]);
    assert_eq!(now.stage, Stage::Waiting);
}

#[tokio::test]
async fn a_command_that_has_its_outcome_waits_already_or_was_overtaken_is_not_set_aside() {
    let world = world();
    for (id, outcome, revision) in [
        ("a", Status::Succeeded, 0),
        ("b", Status::Rejected, 0),
        ("c", Status::Discarded, 0),
        ("d", Status::Parked, 0),
        ("e", Status::Retrying, 1),
    ] {
        let (message, record) = troubled(id, 0, minute(0));
        world.record(OperationRecord { outcome, revision, ..record.clone() }).await;
        let parking = world.parked.park_command(&message, &record).await.expect("an answer");
        assert_eq!(parking, ParkResult::Settled, "{outcome:?}");
        assert_eq!(world.recorded(&record).expect("a record")["outcome"], json!(outcome));
    }
    assert_eq!(world.aws.items(TABLES.parked), [] as [Value; 0]);

    let (message, record) = troubled("f", 0, minute(0));
    world.record(OperationRecord { outcome: Status::Retrying, ..record.clone() }).await;
    assert_eq!(world.parked.park_command(&message, &record).await.expect("an answer"), ParkResult::Parked);
    assert_eq!(outcome(&world, &record), "parked");
}

// Listing

async fn page(world: &World, of: Option<&str>, after: Option<&str>, limit: usize) -> Page {
    world.parked.waiting("probe", of.map(tenant).as_ref(), |_| true, after, limit).await.expect("a page")
}

/// Tenant and number of each, over as many pages as that takes.
async fn all_pages(world: &World, of: Option<&str>, limit: usize) -> Vec<(String, u64)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = page(world, of, after.as_deref(), limit).await;
        assert!(page.messages.len() == limit || page.next.is_none(), "a short page is the last one");
        all.extend(page.messages.into_iter().map(|message| {
            let number = message.id.rsplit('#').next().and_then(|number| number.parse().ok());
            (message.tenant.map(|tenant| tenant.to_string()).unwrap_or_default(), number.expect("a number"))
        }));
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// Seven messages of three tenants and of none, and some in another queue's name.
async fn several() -> World {
    let world = world();
    for (of, number) in
        [(Some("acme-2"), 6), (Some("acme"), 5), (None, 4), (Some("acme"), 1), (Some("acm"), 2), (Some("acme"), 3)]
    {
        world.parked.park(&stranger(of, "probe", number)).await.expect("parked");
    }
    world.parked.park(&stranger(Some("acme-2"), "probe", 2)).await.expect("parked");
    world.parked.park(&stranger(Some("acme"), "orders", 7)).await.expect("parked");
    world
}

#[tokio::test]
async fn a_tenants_messages_are_listed_oldest_first_and_nothing_of_another() {
    let world = several().await;
    let of = |tenant: &str, numbers: &[u64]| numbers.iter().map(|n| (tenant.to_owned(), *n)).collect::<Vec<_>>();
    for limit in 1..5 {
        assert_eq!(all_pages(&world, Some("acme"), limit).await, of("acme", &[1, 3, 5]), "{limit} a page");
        assert_eq!(all_pages(&world, Some("acme-2"), limit).await, of("acme-2", &[2, 6]), "{limit} a page");
        assert_eq!(all_pages(&world, Some("acm"), limit).await, of("acm", &[2]), "{limit} a page");
        assert_eq!(all_pages(&world, Some("ac"), limit).await, [], "{limit} a page");
        let everything = [of("", &[4]), of("acm", &[2]), of("acme", &[1, 3, 5]), of("acme-2", &[2, 6])].concat();
        let mut listed = all_pages(&world, None, limit).await;
        assert_eq!(listed.len(), everything.len());
        // Tenants among each other are in the order of their keys.
        listed.sort();
        assert_eq!(listed, everything, "{limit} a page");
    }
}

#[tokio::test]
async fn a_cursor_leads_into_no_other_tenants_messages() {
    let world = several().await;
    let own = page(&world, Some("acme"), None, 10).await;
    for foreign in ["", "!", "#", "acm#2", "acme#"] {
        assert_eq!(page(&world, Some("acme"), Some(foreign), 10).await, own, "after {foreign:?}");
    }
    for beyond in ["acme#~", "acme-2#", "zebra#", "\u{10ffff}"] {
        assert_eq!(page(&world, Some("acme"), Some(beyond), 10).await.messages, [], "after {beyond:?}");
    }
}

#[tokio::test]
async fn a_list_is_of_what_is_wanted_and_ends_where_that_ends() {
    let world = world();
    for number in 0..30 {
        let mut message = stranger(Some("acme"), "probe", number);
        message.summary.reason = if number % 10 == 0 { Reason::Hung } else { Reason::Unreadable };
        world.parked.park(&message).await.expect("parked");
    }
    let acme = tenant("acme");
    let wanted = async |after: Option<&str>| {
        let hung = |message: &Summary| message.reason == Reason::Hung;
        world.parked.waiting("probe", Some(&acme), hung, after, 2).await.expect("a page")
    };
    let times = |page: &Page| page.messages.iter().map(|message| message.parked_at).collect::<Vec<_>>();
    let first = wanted(None).await;
    assert_eq!(times(&first), [minute(0), minute(10)]);
    let last = wanted(first.next.as_deref()).await;
    assert_eq!((times(&last), &last.next), (vec![minute(20)], &None), "no page without anything on it");
}

#[tokio::test]
async fn a_queues_messages_are_counted_while_they_wait() {
    let world = several().await;
    let count = async |queue: &str| world.parked.count(queue).await.expect("a number");
    assert_eq!((count("probe").await, count("orders").await, count("nothing").await), (7, 1, 0));
    let message = stranger(Some("acme"), "orders", 7);
    world.parked.discard(&message, by("ann", minute(8)), EXPIRES).await.expect("discarded");
    assert_eq!(count("orders").await, 0);
}

#[tokio::test]
async fn a_list_of_more_than_a_page_of_the_index_is_whole() {
    let world = world();
    for number in 0..120 {
        world.parked.park(&stranger(Some("acme"), "probe", number)).await.expect("parked");
    }
    // Pages of ten take as few messages to go through.
    world.aws.rewrite(|attempt| Some(attempt.body.replace(r#""Limit":1000"#, r#""Limit":10"#)));
    for limit in [9, 10, 11, 50, 120, 121] {
        world.aws.forget_calls();
        let all = all_pages(&world, Some("acme"), limit).await;
        let numbers: Vec<u64> = all.into_iter().map(|(_, number)| number).collect();
        assert_eq!(numbers, (0..120).collect::<Vec<_>>(), "{limit} a page");
        assert!(world.aws.count("Query") >= 12, "{}", world.aws.calls());
    }
    assert_eq!(world.parked.count("probe").await.expect("a number"), 120);
}
