//! One command's life, with one fault at each of its calls, and with two at each pair of them.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::chaos::Point;
use crate::plan::Plan;
use crate::run::{Report, simulate_with};

const POINTS: [Point; 4] = [Point::ErrorBefore, Point::AnswerLost, Point::KilledBefore, Point::KilledAfter];
/// A number that no life reaches: nothing goes wrong, and calls are named.
const NEVER: u64 = u64::MAX;

/// The first run whose one command is an order, on account or to be paid, and whose client looks at the end of it.
fn plan(paid: bool) -> Plan {
    let all_the_way = |plan: &Plan| {
        let calls = calls(*plan, &[]);
        let has = |call: &str| calls.iter().any(|other| other == call);
        has("Handler(\"orders\"): Query") && has("Query: GetItem") && has("Gateway: POST") == paid
    };
    let plans = (1..50).map(|seed| Plan { hot: 0, verified: false, ..Plan::clean(seed, 1) });
    plans.into_iter().find(all_the_way).expect("one of them")
}

/// Whatever goes wrong at these calls, all holds.
#[track_caller]
fn holds(plan: Plan, points: &[(u64, Point)]) {
    let report = simulate_with(plan, points.to_vec());
    assert!(report.violations.is_empty(), "{points:?} of {:#?}\n{report}", report.names);
}

/// Each is a world of its own.
fn on_all_cores<T: Sync, R: Send>(cases: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || std::iter::from_fn(|| cases.get(next.fetch_add(1, Ordering::Relaxed)).map(&run)).collect();
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        results.collect::<Vec<Vec<R>>>().into_iter().flatten().collect()
    })
}

fn all_hold(plan: Plan, cases: &[Vec<(u64, Point)>]) {
    on_all_cores(cases, |points| holds(plan, points));
}

/// The calls of a life with these faults.
fn calls(plan: Plan, points: &[(u64, Point)]) -> Vec<String> {
    let Report { names, violations, .. } = simulate_with(plan, [points, &[(NEVER, Point::ErrorBefore)]].concat());
    assert!(violations.is_empty(), "{violations:#?}");
    names
}

#[test]
fn a_command_survives_any_fault_at_any_call_of_its_life() {
    survives_any_fault(plan(false));
}

#[test]
fn an_order_and_its_payment_survive_any_fault_at_any_call_of_their_lives() {
    survives_any_fault(plan(true));
}

fn survives_any_fault(plan: Plan) {
    let calls = calls(plan, &[]);
    println!("{calls:#?}");
    let nths = 1..=calls.len() as u64;
    let cases: Vec<_> = nths.flat_map(|nth| POINTS.map(|point| vec![(nth, point)])).collect();
    println!("{} calls, {} single faults", calls.len(), cases.len());
    all_hold(plan, &cases);
}

// Two faults at each pair of calls: a test for each kind of the first one, for all of them take minutes.

#[test]
fn a_command_survives_a_refusal_and_any_fault_after_it() {
    survives_any_fault_after(Point::ErrorBefore);
}

#[test]
fn a_command_survives_a_lost_answer_and_any_fault_after_it() {
    survives_any_fault_after(Point::AnswerLost);
}

#[test]
fn a_command_survives_a_death_before_a_call_and_any_fault_after_it() {
    survives_any_fault_after(Point::KilledBefore);
}

#[test]
fn a_command_survives_a_death_after_a_call_and_any_fault_after_it() {
    survives_any_fault_after(Point::KilledAfter);
}

fn survives_any_fault_after(first: Point) {
    let plan = plan(false);
    let firsts: Vec<_> = (1..=calls(plan, &[]).len() as u64).map(|nth| (nth, first)).collect();
    let pairs = on_all_cores(&firsts, |first| {
        // The first fault makes a life longer: the second one may hit any call of the repair.
        let nths = first.0 + 1..=calls(plan, &[*first]).len() as u64;
        let seconds = nths.flat_map(|nth| POINTS.map(|point| (nth, point)));
        seconds.map(|second| holds(plan, &[*first, second])).count()
    });
    println!("{} first faults, {} pairs", firsts.len(), pairs.iter().sum::<usize>());
}

#[test]
fn a_dead_letter_survives_any_fault_at_any_call_of_its_way_back() {
    // The handler dies before it commits, and that was the command's only receive.
    let plan = Plan { max_receives: 1, ..plan(false) };
    let healthy = calls(plan, &[]);
    let commit = healthy.iter().position(|call| call == "Handler(\"orders\"): TransactWriteItems").expect("a commit");
    let buried = (commit as u64 + 1, Point::KilledBefore);
    let calls = calls(plan, &[buried]);
    assert!(calls.iter().any(|call| call == "Redrive: SendMessageBatch"), "it comes back: {calls:?}");
    let nths = buried.0 + 1..=calls.len() as u64;
    let cases: Vec<_> = nths.flat_map(|nth| POINTS.map(|point| vec![buried, (nth, point)])).collect();
    println!("{} calls, {} pairs of which the first makes a dead letter", calls.len(), cases.len());
    all_hold(plan, &cases);
}
