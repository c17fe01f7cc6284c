//! Records of outcomes expire, and repeats come at any time: before that, after it, or on the way meanwhile.

use std::time::Duration;

use bench::Request;
use bench::http::client;
use bench::platform::{RECEIPT_KEY, environment, receipt_secret, register_client};
use kernel::operation::{LONGEST_WAY, Status};
use kernel::receipt::Receipt;
use query::Query;
use serde_json::{Value, json};
use testkit::Fault;
use tokio::time::advance;

use crate::world::{RETENTION, World, broken, loads};

const DAY: Duration = Duration::from_hours(24);

/// A world whose operations can be read, and in which what has expired is deleted when the test says so.
struct Keeping {
    world: World,
    query: Query,
}

/// What a receipt reads as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Status(Status),
    NotFound,
}

const ACCEPTED: Reads = Reads::Status(Status::Accepted);
const SUCCEEDED: Reads = Reads::Status(Status::Succeeded);
const REJECTED: Reads = Reads::Status(Status::Rejected);

impl Keeping {
    fn new() -> Self {
        let world = World::new();
        world.aws.put_secret(&receipt_secret(), RECEIPT_KEY);
        register_client(&world.aws, "shop", "acme");
        let query = Query::from_environment(&environment(), world.aws.dynamodb(), world.aws.secrets_manager());
        Self { query: query.expect("settings"), world }
    }

    /// The same event again, or for the first time. It is not handled yet.
    async fn sends(&self, text: &str) -> Receipt {
        self.world.send("A", "A-01", "Note", &json!({ "text": text })).await
    }

    async fn sends_and_handles(&self, text: &str) -> Receipt {
        let receipt = self.sends(text).await;
        self.world.drain().await;
        receipt
    }

    /// Time goes on without anything of Waybill's at work. DynamoDB deletes what has expired, or leaves it a while.
    async fn days(&self, days: u32, deletes: bool) {
        advance(DAY * days).await;
        if deletes {
            self.world.aws.database().sweep_ttl().expect("swept");
        }
    }

    async fn operation(&self, receipt: &Receipt) -> (Reads, Value) {
        let request = Request::get(format!("/operations/{receipt}")).by(client("shop", "waybill/read"));
        let answer = request.answered(|request| self.query.handle(request, self.world.now())).await;
        let operation = answer.json();
        match answer.status.as_u16() {
            404 => (Reads::NotFound, operation),
            200 => {
                let status: Status = serde_json::from_value(operation["status"].clone()).expect("a status");
                assert_eq!(answer.headers.contains_key("retry-after"), !status.is_final(), "{operation}");
                (Reads::Status(status), operation)
            }
            status => panic!("{status}: {operation}"),
        }
    }

    async fn reads(&self, receipt: &Receipt) -> Reads {
        self.operation(receipt).await.0
    }

    /// The receipts are read every day. None that has read as something final is ever anything else but gone, and what is
    /// gone stays so. Gives what each has been, without repetitions.
    async fn over_the_days(&self, receipts: &[Receipt], days: u32) -> Vec<Vec<Reads>> {
        let mut lives: Vec<Vec<Reads>> = vec![Vec::new(); receipts.len()];
        for _ in 0..days {
            for (receipt, life) in receipts.iter().zip(&mut lives) {
                life.push(self.reads(receipt).await);
                life.dedup();
            }
            self.days(1, true).await;
        }
        lives
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_reads_as_the_outcome_for_as_long_as_the_record_is_kept_and_is_never_accepted_again() {
    let keeping = Keeping::new();
    let first = keeping.sends_and_handles("note").await;
    keeping.days(31, true).await;
    let repeat = keeping.sends_and_handles("note").await;
    assert_eq!(keeping.reads(&repeat).await, SUCCEEDED);
    keeping.days(60, true).await;
    assert_eq!(keeping.reads(&repeat).await, SUCCEEDED, "91 days after the first one was handled");
    let lives = keeping.over_the_days(&[first, repeat], 200).await;
    assert_eq!(lives, vec![vec![SUCCEEDED, Reads::NotFound]; 2]);
    assert_eq!(keeping.world.notes("A"), ["note"], "it took effect once");
}

#[tokio::test(start_paused = true)]
async fn a_receipt_is_accepted_only_as_long_as_its_command_can_be_on_its_way() {
    let keeping = Keeping::new();
    let lost = keeping.sends("note").await;
    advance(LONGEST_WAY).await;
    assert_eq!(keeping.reads(&lost).await, ACCEPTED);
    advance(Duration::from_millis(1)).await;
    assert_eq!(keeping.reads(&lost).await, Reads::NotFound);
}

#[tokio::test(start_paused = true)]
async fn other_content_under_the_same_id_stays_rejected_with_times_of_its_own() {
    let keeping = Keeping::new();
    keeping.sends_and_handles("note").await;
    keeping.days(100, true).await;
    let other = keeping.sends("other").await;
    assert_eq!(keeping.reads(&other).await, ACCEPTED, "the record may expire before this one meets it");
    keeping.world.drain().await;
    let (rejected, before) = keeping.operation(&other).await;
    assert_eq!((rejected, &before["acceptedAt"]), (REJECTED, &json!(other.accepted_at)));
    assert_eq!(before["finishedAt"], before["acceptedAt"]);
    keeping.days(1, true).await;
    keeping.sends_and_handles("note").await;
    assert_eq!(keeping.operation(&other).await.1, before, "it reads the same whatever comes meanwhile");
    assert_eq!(keeping.over_the_days(&[other], 200).await, [[REJECTED, Reads::NotFound]]);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_has_the_times_of_the_command_that_was_handled() {
    let keeping = Keeping::new();
    let first = keeping.sends_and_handles("note").await;
    let (_, as_the_first) = keeping.operation(&first).await;
    keeping.days(1, true).await;
    let repeat = keeping.sends("note").await;
    for handled in [false, true] {
        let (_, mut as_the_repeat) = keeping.operation(&repeat).await;
        assert_eq!(as_the_repeat["id"], json!(repeat.to_string()));
        as_the_repeat["id"] = as_the_first["id"].clone();
        assert_eq!(as_the_repeat, as_the_first, "handled: {handled}");
        keeping.world.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_the_last_day_that_was_long_on_its_way_is_still_known() {
    let keeping = Keeping::new();
    let first = keeping.sends_and_handles("note").await;
    keeping.days(89, true).await;
    let repeat = keeping.sends("note").await;
    for _ in 0..27 {
        keeping.days(1, true).await;
        assert_eq!(keeping.reads(&repeat).await, SUCCEEDED);
    }
    keeping.world.drain().await;
    assert_eq!(keeping.world.notes("A"), ["note"], "116 days after the first one");
    assert_eq!(keeping.over_the_days(&[first, repeat], 200).await, vec![vec![SUCCEEDED, Reads::NotFound]; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_among_the_dead_letters_keeps_the_record_as_well() {
    let keeping = Keeping::new();
    let first = keeping.sends_and_handles("note").await;
    keeping.days(100, true).await;
    let world = &keeping.world;
    let (repeat, body) = world.seal("A", "A-01", "Note", &json!({ "text": "note" }));
    world.put(&world.dead_letters, "A", "buried", &body).await;
    advance(Duration::from_secs(1)).await;
    assert_eq!(keeping.reads(&repeat).await, ACCEPTED);
    let report = world.run(&redrive::Request::default()).await;
    assert_eq!((report.settled, world.dead()), (1, 0), "{report:?}");
    assert_eq!(keeping.over_the_days(&[first, repeat], 200).await, vec![vec![SUCCEEDED, Reads::NotFound]; 2]);
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_and_is_not_deleted_yet_is_there_for_reads_and_for_repeats() {
    let keeping = Keeping::new();
    let first = keeping.sends_and_handles("note").await;
    advance(RETENTION + DAY).await;
    assert_eq!(keeping.reads(&first).await, SUCCEEDED, "DynamoDB is late");
    let repeat = keeping.sends("note").await;
    assert_eq!(keeping.reads(&repeat).await, ACCEPTED, "until it is known whether it comes in time");
    keeping.world.drain().await;
    assert_eq!(keeping.world.notes("A"), ["note"]);
    assert_eq!(keeping.over_the_days(&[first, repeat], 200).await, vec![vec![SUCCEEDED, Reads::NotFound]; 2]);
}

#[tokio::test(start_paused = true)]
async fn after_the_record_is_gone_the_same_event_is_another_command_and_the_old_receipts_stay_gone() {
    let keeping = Keeping::new();
    let first = keeping.sends_and_handles("note").await;
    keeping.days(50, true).await;
    let repeat = keeping.sends_and_handles("note").await;
    advance(RETENTION + DAY).await;
    let new = keeping.sends("note").await;
    keeping.days(0, true).await;
    keeping.world.drain().await;
    assert_eq!(keeping.world.notes("A"), ["note", "note"]);
    let lives = keeping.over_the_days(&[first, repeat, new], 200).await;
    assert_eq!(lives, [vec![Reads::NotFound], vec![Reads::NotFound], vec![SUCCEEDED, Reads::NotFound]]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_deleted_while_a_repeat_meets_it_does_not_swallow_the_command() {
    let keeping = Keeping::new();
    keeping.sends_and_handles("note").await;
    advance(RETENTION + DAY).await;
    let new = keeping.sends("note").await;
    let aws = keeping.world.aws.clone();
    keeping.world.aws.inject(move |attempt| {
        if attempt.operation == "UpdateItem" {
            aws.database().sweep_ttl().expect("swept");
        }
        Fault::None
    });
    keeping.world.drain().await;
    assert_eq!(keeping.reads(&new).await, SUCCEEDED);
    assert_eq!(keeping.world.notes("A"), ["note", "note"]);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_whose_record_cannot_be_kept_longer_comes_again() {
    let keeping = Keeping::new();
    keeping.sends_and_handles("note").await;
    keeping.days(100, true).await;
    let repeat = keeping.sends("note").await;
    keeping.world.aws.inject(|attempt| if attempt.operation == "UpdateItem" { broken() } else { Fault::None });
    keeping.world.handle().await;
    assert_eq!(keeping.world.aws.messages(&keeping.world.queue).len(), 1, "it was given back");
    keeping.world.aws.heal();
    keeping.world.drain().await;
    assert_eq!(keeping.over_the_days(&[repeat], 200).await, [[SUCCEEDED, Reads::NotFound]]);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_within_a_day_costs_no_write() {
    let keeping = Keeping::new();
    keeping.sends_and_handles("note").await;
    advance(Duration::from_hours(23)).await;
    keeping.world.aws.forget_calls();
    keeping.sends_and_handles("note").await;
    assert_eq!(keeping.world.aws.count("UpdateItem"), 0, "{}", keeping.world.aws.calls());
}

/// Sends and handles as chance has it, over three years; streams fail for weeks, and DynamoDB deletes late.
async fn whatever_happens(seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let keeping = Keeping::new();
    let mut receipts: Vec<(Receipt, Reads)> = Vec::new();
    for _ in 0..100 {
        match chance.u32(..10) {
            0..=1 => receipts.push((keeping.sends("note").await, ACCEPTED)),
            2 => receipts.push((keeping.sends("other").await, ACCEPTED)),
            3..=4 => keeping.world.drain().await,
            5 => keeping.world.aws.inject(|attempt| if loads(attempt, "acme/ledger") { broken() } else { Fault::None }),
            6 => keeping.world.aws.heal(),
            7 => _ = keeping.world.run(&redrive::Request::default()).await,
            8 => keeping.days(chance.u32(..40), chance.bool()).await,
            _ => keeping.days(chance.u32(..4), chance.bool()).await,
        }
        // SQS forgets what is older; what was lost so must not read as accepted for ever.
        let now = keeping.world.aws.now();
        for queue in [&keeping.world.queue, &keeping.world.dead_letters] {
            keeping.world.aws.remove(queue, |message| now.duration_since(message.sent).is_ok_and(|age| age > DAY * 14));
        }
        for (receipt, last) in &mut receipts {
            let (now, operation) = keeping.operation(receipt).await;
            let fits = match *last {
                Reads::NotFound => now == Reads::NotFound,
                Reads::Status(status) if status.is_final() => now == Reads::NotFound || now == *last,
                Reads::Status(_) => true,
            };
            assert!(fits, "seed {seed}: {receipt} read as {last:?} and now as {operation}");
            assert!(
                operation["finishedAt"].is_null()
                    || operation["acceptedAt"].as_str() <= operation["finishedAt"].as_str(),
                "seed {seed}: {operation}"
            );
            *last = now;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_nothing_final_is_taken_back() {
    for seed in 0..4 {
        whatever_happens(seed).await;
    }
}
