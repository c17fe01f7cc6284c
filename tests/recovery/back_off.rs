//! A short outage of the database, at the size of a busy minute: how long after its end the last command has its outcome.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use kernel::timestamp::Timestamp;
use testkit::{Attempt, Fault, Service};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::world::World;

const COMMANDS: usize = 1_000;
const STREAMS: usize = 200;
const OUTAGE: Duration = Duration::from_secs(30);
const MOST_AFTERWARDS: Duration = Duration::from_secs(10);

/// What a call to the database meets, so long after the outage began.
type Meets = fn(Duration) -> Fault;

fn refused(_: Duration) -> Fault {
    Fault::refuse(500, "InternalServerError")
}

/// The SDK does not try such a call again.
fn refused_for_good(_: Duration) -> Fault {
    Fault::refuse(400, "AccessDenied")
}

fn hanging(_: Duration) -> Fault {
    Fault::Hang
}

/// By the time that calls begin to hang, messages have failed often and wait longest.
fn refused_then_hanging(since: Duration) -> Fault {
    if since < Duration::from_secs(20) { refused_for_good(since) } else { hanging(since) }
}

/// When commands had their outcomes, by the end of the outage.
struct Outcomes {
    ended: Timestamp,
    recorded: Vec<Timestamp>,
}

impl Outcomes {
    fn last(&self) -> Duration {
        self.recorded.iter().max().map_or(Duration::ZERO, |last| last.since(self.ended))
    }

    /// How many had theirs in which second after the end.
    fn by_second(&self) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for time in &self.recorded {
            *counts.entry(time.since(self.ended).as_secs()).or_default() += 1;
        }
        counts
    }
}

/// Sends the commands in turn to the streams all through an outage, with the handlers at work, until each has its
/// outcome.
async fn outage(meets: Meets, backs_off: bool) -> Outcomes {
    let world = Rc::new(World::new());
    world.aws.patience(lambda::aws::IN_THE_BACKGROUND);
    world.aws.every_call_takes(Duration::from_millis(10));
    world.work(Duration::from_millis(100));
    let began = Instant::now();
    world.aws.inject(move |attempt: &Attempt<'_>| match attempt.service {
        Service::DynamoDb if began.elapsed() < OUTAGE => meets(began.elapsed()),
        // As if the function had no right to it.
        _ if attempt.operation == "ChangeMessageVisibilityBatch" && !backs_off => Fault::refuse(403, "AccessDenied"),
        _ => Fault::None,
    });
    let ended = world.now().plus(OUTAGE);
    let mut receipts = Vec::new();
    let pause = OUTAGE / u32::try_from(COMMANDS).expect("a small number");
    for number in 0..COMMANDS {
        receipts.push(world.note(&format!("S{:03}", number % STREAMS), &format!("{number:04}")).await);
        sleep_until(began + pause * u32::try_from(number).expect("a small number")).await;
    }
    while !world.aws.is_empty(&world.queue) {
        sleep(Duration::from_secs(1)).await;
        assert!(began.elapsed() < Duration::from_hours(1), "some never have their outcomes");
    }
    assert_eq!(world.dead(), 0);
    world.assert_all_succeeded(&receipts);
    assert_in_order(&world);
    Outcomes { ended, recorded: world.records().iter().map(|record| record.recorded_at).collect() }
}

fn assert_in_order(world: &World) {
    let notes = world.all_notes();
    for stream in 0..STREAMS {
        let sent: Vec<String> = (stream..COMMANDS).step_by(STREAMS).map(|number| format!("{number:04}")).collect();
        assert_eq!(notes[&format!("acme/ledger/S{stream:03}")], sent);
    }
}

#[track_caller]
fn outcomes(name: &str, meets: Meets, backs_off: bool) -> Outcomes {
    fastrand::seed(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let outcomes = LocalSet::new().block_on(&runtime.expect("a runtime"), outage(meets, backs_off));
    println!("{name}: the last one {:?} after the end; by second: {:?}", outcomes.last(), outcomes.by_second());
    assert_eq!(outcomes.recorded.len(), COMMANDS);
    outcomes
}

#[track_caller]
fn ends_in_time(name: &str, meets: Meets) {
    assert!(outcomes(name, meets, true).last() <= MOST_AFTERWARDS, "{name}");
}

#[test]
fn ten_seconds_after_an_outage_in_which_calls_were_refused_every_command_has_its_outcome() {
    ends_in_time("refused", refused);
    ends_in_time("refused for good", refused_for_good);
}

#[test]
fn ten_seconds_after_an_outage_in_which_calls_hung_every_command_has_its_outcome() {
    ends_in_time("hanging", hanging);
    ends_in_time("refused, then hanging", refused_then_hanging);
}

#[test]
fn without_back_off_an_outage_costs_its_commands_the_queues_visibility_timeout() {
    let last = outcomes("without back-off", refused, false).last();
    assert!(last > MOST_AFTERWARDS * 10, "the test would not notice: {last:?}");
}
