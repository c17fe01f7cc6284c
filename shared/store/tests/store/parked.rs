//! Parked messages: set aside, listed, and given back into the world or up, each decision once.

use std::time::Duration;

use kernel::operation::Status;
use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use serde_json::{Value, json};
use store::operations::OperationRecord;
use store::parked::{ActError, Action, Decision, Page, ParkedMessage, Parking, Stage, Step, Summary, What, steps};
use store::{Entry, TooLarge};
use testkit::{Fault, TABLES};

use crate::probe::{self, Command, Write};
use crate::world::{World, command, entry, operation, parked, stream, tenant};

const EXPIRES: u64 = 1_900_000_000;

fn world() -> World {
    World::of(probe::context::<1>())
}

fn minute(number: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).plus(Duration::from_mins(number))
}

fn write() -> Command {
    Write { lines: 1, letters: 1 }.into()
}

/// What cannot be handled, and the record that says that it is parked.
fn troubled(id: &str, revision: u32, at: Timestamp) -> (ParkedMessage, OperationRecord) {
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
async fn waiting(world: &World, id: &str) -> (ParkedMessage, OperationRecord) {
    let (message, record) = troubled(id, 0, minute(0));
    assert_eq!(world.parked.park_command(&message, &record).await.expect("an answer"), Parking::Parked);
    (message, record)
}

/// A command that was resubmitted so often, each time in vain, and waits again.
async fn returned(world: &World, times: u32) -> ParkedMessage {
    let (mut message, record) = waiting(world, "a").await;
    for revision in 1..=times {
        let at = minute(u64::from(revision));
        let body = message.message.clone();
        world.parked.resubmit(&message, body, false, by("ann", at)).await.expect("resubmitted");
        let (again, _) = troubled("a", revision, at);
        let record = OperationRecord { revision, ..record.clone() };
        assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), Parking::Parked);
        message = now_parked(world, &message).await;
    }
    message
}

/// What is no command: of a tenant or of none.
fn stranger(of: Option<&str>, queue: &str, number: u64) -> ParkedMessage {
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

fn by(who: &str, at: Timestamp) -> Decision<'_> {
    Decision { by: who, reason: Some("as agreed"), at }
}

async fn now_parked(world: &World, message: &ParkedMessage) -> ParkedMessage {
    let Summary { parked_key, id, .. } = &message.summary;
    world.parked.find(parked_key, id).await.expect("an answer").expect("a message")
}

/// Everything that was done with the message, with its revisions, read in parts of so many revisions.
async fn history(world: &World, message: &ParkedMessage, revisions: u16) -> Vec<Step> {
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
async fn done(world: &World, message: &ParkedMessage) -> Vec<(u32, What)> {
    history(world, message, 2).await.into_iter().map(|step| (step.revision, step.action.what)).collect()
}

/// The item as it is stored.
fn item(world: &World, message: &ParkedMessage) -> Value {
    let items = world.aws.items(TABLES.parked);
    items.into_iter().find(|item| item["id"] == message.summary.id).expect("an item")
}

fn outcome(world: &World, record: &OperationRecord) -> Value {
    world.recorded(record).expect("a record")["outcome"].clone()
}

async fn listed(world: &World) -> Vec<Summary> {
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
    assert_eq!(world.parked.park_command(&message, &record).await.expect("an answer"), Parking::Settled);
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
    assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), Parking::Parked);

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
        assert_eq!(parking, Parking::Settled, "{outcome:?}");
        assert_eq!(world.recorded(&record).expect("a record")["outcome"], json!(outcome));
    }
    assert_eq!(world.aws.items(TABLES.parked), [] as [Value; 0]);

    let (message, record) = troubled("f", 0, minute(0));
    world.record(OperationRecord { outcome: Status::Retrying, ..record.clone() }).await;
    assert_eq!(world.parked.park_command(&message, &record).await.expect("an answer"), Parking::Parked);
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

// Resubmitting

#[tokio::test]
async fn resubmitting_moves_the_message_and_its_operation_together() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;

    let decision = Decision { reason: None, ..by("ann", minute(5)) };
    let resubmitted = world.parked.resubmit(&message, "repaired".to_owned(), true, decision).await.expect("done");

    assert_eq!(now_parked(&world, &message).await, resubmitted, "what is told is what is stored");
    let Summary { revision, attempts, .. } = resubmitted.summary;
    assert_eq!((resubmitted.stage, revision, attempts), (Stage::Resubmitted, 1, 0));
    assert_eq!(resubmitted.message, "repaired");
    let done = Action {
        at: minute(5),
        what: What::Resubmitted,
        by: Some("ann".to_owned()),
        reason: None,
        error: None,
        repaired: true,
    };
    assert_eq!(resubmitted.history, [done]);
    assert_eq!(listed(&world).await, []);
    let recorded = world.recorded(&record).expect("a record");
    assert_eq!((&recorded["outcome"], &recorded["revision"]), (&json!("retrying"), &json!(1)));
    assert_eq!(recorded["recorded_at"], json!(minute(5)));
    assert!(recorded["problem"].as_str().expect("a problem").contains("an operator has resubmitted it"), "{recorded}");
}

#[tokio::test]
async fn what_a_message_was_before_each_repair_is_kept() {
    let world = world();
    let (mut message, record) = waiting(&world, "a").await;
    let others = troubled("b", 0, minute(0));
    world.parked.park_command(&others.0, &others.1).await.expect("parked");
    // Repaired, resubmitted as it was, and repaired again, each time in vain.
    for (revision, repaired, body) in [(1, true, "first repair"), (2, false, "first repair"), (3, true, "second")] {
        let resubmitted = world.parked.resubmit(&message, body.to_owned(), repaired, by("ann", minute(1))).await;
        let resubmitted = resubmitted.expect("resubmitted");
        let record = OperationRecord { revision, ..record.clone() };
        let again = ParkedMessage::new(resubmitted.summary, resubmitted.message);
        assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), Parking::Parked);
        message = now_parked(&world, &message).await;
    }
    let before = async |revision| world.parked.before_repair(&message.summary, revision).await.expect("an answer");
    let earlier = [before(0).await, before(1).await, before(2).await, before(3).await];
    assert_eq!(earlier, [Some("a in revision 0".to_owned()), None, Some("first repair".to_owned()), None]);
    assert_eq!((message.message.as_str(), message.summary.revision), ("second", 3));
    assert_eq!(listed(&world).await.len(), 2, "what it was does not wait as well");

    world.parked.discard(&message, by("ann", minute(2)), EXPIRES).await.expect("discarded");
    assert_eq!(before(2).await.as_deref(), Some("first repair"));
}

#[tokio::test]
async fn the_second_decision_is_told_who_came_first() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;
    world.parked.resubmit(&message, "{}".to_owned(), false, by("ann", minute(5))).await.expect("first");
    let before = (world.aws.items(TABLES.parked), world.recorded(&record));

    let again = world.parked.resubmit(&message, "late".to_owned(), true, by("bob", minute(6))).await.map(|_| ());
    let given_up = world.parked.discard(&message, by("bob", minute(6)), EXPIRES).await;

    for second in [again, given_up] {
        let Err(ActError::Conflict(Some(first))) = second else { panic!("a conflict, not {second:?}") };
        assert_eq!((first.what, first.by.as_deref(), first.at), (What::Resubmitted, Some("ann"), minute(5)));
    }
    assert_eq!((world.aws.items(TABLES.parked), world.recorded(&record)), before, "nothing of it happened");
}

#[tokio::test]
async fn a_decision_on_a_revision_that_is_not_the_newest_is_a_conflict() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;
    world.parked.resubmit(&message, "{}".to_owned(), false, by("ann", minute(5))).await.expect("first");
    let (again, _) = troubled("a", 1, minute(7));
    let record = OperationRecord { revision: 1, ..record };
    assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), Parking::Parked);

    let late = world.parked.discard(&message, by("bob", minute(8)), EXPIRES).await;

    let Err(ActError::Conflict(Some(last))) = late else { panic!("a conflict, not {late:?}") };
    assert_eq!((last.what, last.at), (What::Parked, minute(7)));
    assert_eq!(outcome(&world, &record), "parked");
    let newest = now_parked(&world, &message).await;
    world.parked.discard(&newest, by("bob", minute(9)), EXPIRES).await.expect("on what there is now");
}

#[tokio::test]
async fn a_message_without_operation_is_resubmitted_alone() {
    let world = world();
    let message = stranger(None, "probe", 1);
    world.parked.park(&message).await.expect("parked");
    let resubmitted = world.parked.resubmit(&message, message.message.clone(), false, by("ann", minute(2))).await;
    assert_eq!(resubmitted.expect("resubmitted").summary.revision, 1);
    assert_eq!(world.aws.items(TABLES.operations), [] as [Value; 0]);
}

// What was done before

#[tokio::test]
async fn a_part_of_what_was_done_is_of_the_revisions_asked_for_and_says_whether_there_are_more() {
    let world = world();
    let message = returned(&world, 3).await;
    let all = [(0, What::Parked), (0, What::Resubmitted), (1, What::Parked), (1, What::Resubmitted), (2, What::Parked)];
    for (before, limit, expected, next) in [
        (None, 4, &all[..], None),
        (None, 3, &all[..], None),
        (None, 2, &all[1..], Some(1)),
        (None, 1, &all[3..], Some(2)),
        (Some(2), 1, &all[1..3], Some(1)),
        (Some(1), 1, &all[..1], None),
        (Some(0), 1, &[], None),
    ] {
        let past = world.parked.past(&message.summary, before, limit).await.expect("a part");
        let done: Vec<_> = past.steps.iter().map(|step| (step.revision, step.action.what)).collect();
        assert_eq!((&done[..], past.before), (expected, next), "{limit} before {before:?}");
        for Step { action, .. } in past.steps {
            let error = (action.what == What::Parked).then_some("for the test");
            assert_eq!(action.error.as_deref(), error, "{action:?}");
        }
    }
}

/// Beside it and its error, its item has room for all that may be decided on it.
#[tokio::test]
async fn the_largest_message_that_a_commit_takes_can_be_decided_on_and_come_back() {
    const LARGEST: usize = 376 * 1024;
    let world = world();
    let (first, record) = troubled("a", 0, minute(0));
    // The longest error, and the longest reason in the letters that take most bytes.
    let of = |bytes: usize, revision: u32| {
        let summary = Summary { error: "e".repeat(8 * 1024), revision, ..first.summary.clone() };
        ParkedMessage::new(summary, "m".repeat(bytes))
    };
    let reason = "\u{1f4e6}".repeat(1000);
    let decision = Decision { by: &"a".repeat(255), reason: Some(&reason), at: minute(1) };
    let taken = |bytes: usize| Entry {
        operation: record.clone(),
        parked: Some(of(bytes, 0)),
        decided: false,
        ..entry("unused")
    };
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let mut commit = world.events.begin(&stream, &base);
    assert_eq!(commit.add(&taken(LARGEST + 1)), Err(TooLarge));
    commit.add(&taken(LARGEST)).expect("a message that fits");
    world.events.commit(commit, world.now).await.expect("an item that DynamoDB takes");

    let message = now_parked(&world, &first).await;
    assert_eq!((message.message.len(), message.summary.error.len()), (LARGEST, 8 * 1024));
    let body = message.message.clone();
    world.parked.resubmit(&message, body, true, decision).await.expect("resubmitted");
    let record = OperationRecord { revision: 1, ..record.clone() };
    let parking = world.parked.park_command(&of(LARGEST, 1), &record).await.expect("an answer");
    assert_eq!(parking, Parking::Parked);
    world.parked.discard(&now_parked(&world, &first).await, decision, EXPIRES).await.expect("discarded");
}

#[tokio::test]
async fn a_thousand_resubmissions_and_parkings_of_a_large_message_leave_it_as_able_as_the_first() {
    const TIMES: u32 = 1000;
    let world = world();
    // The longest reason there can be, in the letters that take most bytes.
    let reason = "\u{1f4e6}".repeat(1000);
    let (mut message, record) = troubled("a", 0, minute(0));
    message.message = "m".repeat(250 * 1024);
    let first = message.clone();
    for revision in 0..=TIMES {
        let record = OperationRecord { revision, ..record.clone() };
        // So long that DynamoDB's page ends before a part of what was done does.
        message.summary.error = format!("error {revision} {}", "e".repeat(8000));
        message.summary.parked_at = minute(u64::from(revision));
        assert_eq!(world.parked.park_command(&message, &record).await.expect("an answer"), Parking::Parked);
        if revision == TIMES {
            break;
        }
        let waiting = now_parked(&world, &message).await;
        let decision = Decision { by: "ann", reason: Some(&reason), at: minute(u64::from(revision)) };
        let resubmitted = world.parked.resubmit(&waiting, waiting.message.clone(), revision == 500, decision).await;
        let ParkedMessage { summary, message: body, .. } = resubmitted.expect("resubmitted");
        message = ParkedMessage::new(summary, body);
    }

    let item = item(&world, &first).to_string();
    assert!(item.len() < 300 * 1024, "its item has {} bytes", item.len());
    assert_eq!(listed(&world).await.len(), 1, "what was done before is in no list");
    let history = history(&world, &first, 100).await;
    assert_eq!(history.len(), 2001);
    for (nth, step) in history.iter().enumerate() {
        let (nth, Step { revision, action }) = (u32::try_from(nth).expect("few"), step);
        let expected = if nth % 2 == 0 { What::Parked } else { What::Resubmitted };
        assert_eq!((*revision, action.what, action.at), (nth / 2, expected, minute(u64::from(nth / 2))));
        match action.what {
            What::Parked if *revision < TIMES => {
                assert!(action.error.as_ref().expect("why").starts_with(&format!("error {revision} ")));
            }
            What::Resubmitted => assert_eq!(action.reason.as_ref(), Some(&reason)),
            _ => {}
        }
    }
    let latest = now_parked(&world, &first).await;
    world.parked.discard(&latest, by("ann", minute(2000)), EXPIRES).await.expect("discarded");
    assert_eq!(outcome(&world, &record), "discarded");
}

#[tokio::test]
async fn what_an_earlier_release_kept_in_the_messages_own_item_is_read_and_moves_with_the_next_decision() {
    let world = world();
    let (message, _) = waiting(&world, "a").await;
    // As releases wrote it that kept all of it there: three parkings, two decisions.
    let parked = |at: u64| json!({ "at": minute(at), "what": "parked", "reason": "unreadable" });
    let resubmitted =
        |at: u64| json!({ "at": minute(at), "what": "resubmitted", "by": "ann", "reason": "r".repeat(1000) });
    let mut item = item(&world, &message);
    item["history"] = json!([parked(0), resubmitted(1), parked(2), resubmitted(3), parked(4)]);
    item["revision"] = json!(2);
    item["parked_at"] = json!(minute(4));
    world.aws.insert(TABLES.parked, &item);
    let mut record = world.aws.items(TABLES.operations).pop().expect("a record");
    record["revision"] = json!(2);
    world.aws.insert(TABLES.operations, &record);

    let before =
        [(0, What::Parked), (0, What::Resubmitted), (1, What::Parked), (1, What::Resubmitted), (2, What::Parked)];
    assert_eq!(done(&world, &message).await, before);
    let now = now_parked(&world, &message).await;
    assert_eq!(now.history.len(), 5);
    world.parked.discard(&now, by("bob", minute(5)), EXPIRES).await.expect("discarded");
    assert_eq!(now_parked(&world, &message).await.history.len(), 1);
    assert_eq!(done(&world, &message).await, [&before[..], &[(2, What::Discarded)]].concat());
}

#[tokio::test]
async fn what_was_decided_does_not_expire() {
    let world = world();
    let (sent, _) = waiting(&world, "a").await;
    let resubmitted = world.parked.resubmit(&sent, "repaired".to_owned(), true, by("ann", minute(1))).await;
    world.parked.sent(&resubmitted.expect("resubmitted").summary).await.expect("said so");
    let (given_up, _) = waiting(&world, "b").await;
    world.parked.discard(&given_up, by("ann", minute(1)), EXPIRES).await.expect("discarded");
    let items = world.aws.items(TABLES.parked);
    assert_eq!(items.len(), 5, "two messages, what was done with each, and one as it was before its repair");
    assert!(items.iter().all(|item| item["expires_at"].is_null()), "{items:#?}");
}

// Sending

async fn unsent(world: &World, before: Timestamp, limit: i32) -> Vec<String> {
    let unsent = world.parked.unsent("probe", before, limit).await.expect("a list");
    unsent.into_iter().map(|message| message.message).collect()
}

#[tokio::test]
async fn what_is_resubmitted_is_unsent_until_it_is_sent() {
    let world = world();
    for (id, at) in [("late", 9), ("early", 3), ("sent", 5)] {
        let (message, _) = waiting(&world, id).await;
        let resubmitted = world.parked.resubmit(&message, id.to_owned(), true, by("ann", minute(at))).await;
        if id == "sent" {
            world.parked.sent(&resubmitted.expect("resubmitted").summary).await.expect("said so");
        }
    }
    waiting(&world, "still here").await;
    assert_eq!(unsent(&world, minute(10), 10).await, ["early", "late"]);
    assert_eq!(unsent(&world, minute(9), 10).await, ["early"], "not what may be on its way right now");
    assert_eq!(unsent(&world, minute(10), 1).await, ["early"]);
    assert_eq!(world.parked.unsent("orders", minute(10), 10).await.expect("a list"), []);
}

#[tokio::test]
async fn what_is_parked_again_waits_again_in_its_revision() {
    for confirmed_first in [true, false] {
        let world = world();
        let (message, record) = waiting(&world, "a").await;
        let resubmitted = world.parked.resubmit(&message, "repaired".to_owned(), true, by("ann", minute(5))).await;
        let resubmitted = resubmitted.expect("resubmitted").summary;
        if confirmed_first {
            world.parked.sent(&resubmitted).await.expect("said so");
        }
        let (again, _) = troubled("a", 1, minute(7));
        let record = OperationRecord { revision: 1, recorded_at: minute(7), ..record };
        assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), Parking::Parked);
        if !confirmed_first {
            world.parked.sent(&resubmitted).await.expect("too late, and no harm");
        }

        let now = now_parked(&world, &message).await;
        assert_eq!((now.stage, now.summary.revision), (Stage::Waiting, 1));
        assert_eq!((now.summary.first_failed_at, now.summary.first_parked_at), (minute(0), minute(0)));
        assert_eq!(now.summary.parked_at, minute(7));
        assert_eq!(done(&world, &message).await, [(0, What::Parked), (0, What::Resubmitted), (1, What::Parked)]);
        assert_eq!(listed(&world).await, std::slice::from_ref(&now.summary));
        assert_eq!(unsent(&world, minute(10), 10).await, [] as [String; 0]);
        let item = item(&world, &message);
        assert!(item["unsent"].is_null() && item["unsent_since"].is_null(), "{item}");
        assert_eq!(outcome(&world, &record), "parked");
    }
}

// Giving up

#[tokio::test]
async fn discarding_ends_the_operation_with_the_operators_reason() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;

    let decision = Decision { reason: Some("ordered by mistake"), ..by("ann", minute(5)) };
    world.parked.discard(&message, decision, EXPIRES).await.expect("discarded");

    let now = now_parked(&world, &message).await;
    assert_eq!((now.stage, now.message.as_str()), (Stage::Discarded, "a in revision 0"));
    assert_eq!((now.history[0].what, now.history[0].reason.as_deref()), (What::Discarded, Some("ordered by mistake")));
    assert_eq!(done(&world, &message).await, [(0, What::Parked), (0, What::Discarded)]);
    assert_eq!(listed(&world).await, []);
    let key = command(&stream("S-1"), "a", &write()).receipt.command_key;
    let operation = world.operations.find(&tenant("acme"), key).await.expect("an answer").expect("a record");
    assert_eq!((operation.outcome, operation.recorded_at), (Status::Discarded, minute(5)));
    assert_eq!(operation.expires_at, Some(EXPIRES));
    let problem: Problem = serde_json::from_str(operation.problem.as_deref().expect("a problem")).expect("a problem");
    assert_eq!(problem, Problem::discarded("ordered by mistake"));

    let (_, record_of_a_repeat) = troubled("a", 0, minute(6));
    assert_eq!(record.operation_key, record_of_a_repeat.operation_key);
    let again = world.parked.park_command(&message, &record_of_a_repeat).await.expect("an answer");
    assert_eq!(again, Parking::Settled, "it is over");
}

// Answers that get lost

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_once_does_no_harm() {
    let world = world();
    world.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" | "UpdateItem" if attempt.nth % 2 == 1 => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let (message, record) = waiting(&world, "a").await;
    let resubmitted = world.parked.resubmit(&message, "repaired".to_owned(), true, by("ann", minute(5))).await;
    let resubmitted = resubmitted.expect("one that was asked again is no conflict");
    world.parked.sent(&resubmitted.summary).await.expect("sent");
    assert_eq!(now_parked(&world, &message).await, resubmitted);
    assert_eq!(done(&world, &message).await, [(0, What::Parked), (0, What::Resubmitted)]);

    let (given_up, _) = waiting(&world, "b").await;
    world.parked.discard(&given_up, by("ann", minute(6)), EXPIRES).await.expect("discarded");
    assert_eq!(done(&world, &given_up).await, [(0, What::Parked), (0, What::Discarded)]);
    assert_eq!(outcome(&world, &record), "retrying");
    let lost = world.aws.calls().iter().filter(|call| call.status.is_none()).count();
    assert!(lost >= 5, "{lost} answers lost\n{}", world.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn a_resubmission_whose_answer_never_comes_is_found_among_the_unsent() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;
    world.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let lost = world.parked.resubmit(&message, "repaired".to_owned(), true, by("ann", minute(5))).await;
    assert!(matches!(lost, Err(ActError::Store(_))), "nobody knows that it happened: {lost:?}");
    world.aws.heal();

    assert_eq!(unsent(&world, minute(10), 10).await, ["repaired"]);
    assert_eq!(outcome(&world, &record), "retrying");
    let again = world.parked.resubmit(&message, "repaired".to_owned(), true, by("ann", minute(6))).await;
    let Err(ActError::Conflict(Some(first))) = again else { panic!("a conflict, not {again:?}") };
    assert_eq!((first.by.as_deref(), first.at), (Some("ann"), minute(5)), "and she sees that it was herself");
}

#[tokio::test(start_paused = true)]
async fn what_others_are_at_is_tried_again_and_an_outage_is_no_conflict() {
    let world = world();
    let conflict = || Fault::TransactionConflict { item: 1 };
    for (id, fault) in [("a", conflict()), ("b", Fault::refuse(400, "TransactionInProgressException"))] {
        let (message, _) = waiting(&world, id).await;
        let mut busy = 4;
        world.aws.inject(move |attempt| match attempt.operation {
            "TransactWriteItems" if busy > 0 => {
                busy -= 1;
                fault.clone()
            }
            _ => Fault::None,
        });
        let resubmitted = world.parked.resubmit(&message, "{}".to_owned(), false, by("ann", minute(5))).await;
        assert_eq!(resubmitted.expect("in the end").summary.revision, 1);
    }

    let (message, record) = waiting(&world, "c").await;
    // The SDK tries three times what it takes to be over soon.
    for (fault, tries) in [(conflict(), 5), (Fault::refuse(500, "InternalServerError"), 3), (Fault::Hang, 3)] {
        let now = fault.clone();
        world.aws.inject(move |attempt| match attempt.operation {
            "TransactWriteItems" => now.clone(),
            _ => Fault::None,
        });
        world.aws.forget_calls();
        let down = world.parked.discard(&message, by("ann", minute(6)), EXPIRES).await;
        assert!(matches!(down, Err(ActError::Store(_))), "{fault:?}: {down:?}");
        assert_eq!(world.aws.count("TransactWriteItems"), tries, "{fault:?}\n{}", world.aws.calls());
        assert!(world.parked.park_command(&message, &record).await.is_err());
        assert!(world.parked.park(&message).await.is_err());
    }
}
