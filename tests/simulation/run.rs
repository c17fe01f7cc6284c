//! One run from its beginning to its report.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant as Wall};

use testkit::TABLES;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::chaos::{CUT_OFF, DOWN, MOST_LATE, Point};
use crate::functions::MOST_IDLE;
use crate::journal::Known;
use crate::plan::Plan;
use crate::world::World;
use crate::{check, clients, functions, operators, verification};

/// How long everything may take to come to rest once nothing goes wrong any more: two onboardings that nobody answers.
const MOST_REST: Duration = Duration::from_hours(24 * 60);

/// What a run was like.
pub struct Report {
    pub plan: Plan,
    pub hash: u64,
    pub calls: u64,
    pub virtual_time: Duration,
    pub took: Duration,
    /// What must never happen and did, with the life of the command.
    pub violations: Vec<String>,
    /// By fault, how often it was injected and how often it changed something.
    pub faults: Vec<(&'static str, u64, u64)>,
    pub outcomes: Vec<(&'static str, usize)>,
    /// How many commands the installation itself has sent, by type.
    pub sent: BTreeMap<String, usize>,
    /// How many events are stored, by type and version.
    pub versions: BTreeMap<(String, u32), usize>,
    /// How many orders were read in which layout, each version once.
    pub layouts: BTreeMap<u32, usize>,
    /// How many documents a rebuild has written.
    pub rebuilt: u64,
    /// How many streams the last verification has looked at.
    pub verified: u64,
    /// The calls, if points were chosen.
    pub names: Vec<String>,
}

pub fn simulate(plan: Plan) -> Report {
    simulate_with(plan, Vec::new())
}

pub fn simulate_with(plan: Plan, points: Vec<(u64, Point)>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    LocalSet::new().block_on(&runtime, run(plan, points))
}

async fn run(plan: Plan, points: Vec<(u64, Point)>) -> Report {
    let wall = Wall::now();
    let started = tokio::time::Instant::now();
    let world = World::begin(plan, points);
    functions::start(&world);
    operators::start(&world);
    clients::run(&world).await;
    if plan.ills {
        sleep(Duration::from_mins(10)).await;
    }
    // Nothing goes wrong any more but at the points that were chosen, and everything comes to rest.
    world.chaos.calm();
    world.aws.settle();
    if plan.ills {
        sleep(MOST_LATE).await;
    }
    let settling = tokio::time::Instant::now();
    let mut quiet = 0;
    while quiet < 3 && settling.elapsed() < MOST_REST {
        sleep(world.pause(Duration::from_secs(30))).await;
        let (is_quiet, has_timers) = (check::is_quiet(&world), world.has_timers());
        quiet = if is_quiet && !has_timers { quiet + 1 } else { 0 };
        let waits = is_quiet && has_timers;
        if !waits && world.waits_for_timers.get() {
            // Until whoever looked seldom looks again. What was seen before does not count.
            sleep(world.pause(MOST_IDLE)).await;
            quiet = 0;
        }
        world.waits_for_timers.set(waits);
    }
    world.chaos.forget_points();
    if quiet < 3 {
        let unrest = check::unrest(&world);
        world.chaos.journal().violation(None, format!("it does not come to rest\n{unrest}"));
    }
    let virtual_time = started.elapsed();
    check::all(&world).await;
    let verified = verification::finds_nothing(&world).await;
    report(&world, virtual_time, wall.elapsed(), verified)
}

fn report(world: &Rc<World>, virtual_time: Duration, took: Duration, verified: u64) -> Report {
    let disturbed = world.aws.disturbed();
    let journal = world.chaos.journal();
    let took_effect = |name: &str| journal.took_effect.get(name).copied().unwrap_or_default();
    let consequences = [DOWN, CUT_OFF];
    let of_calls = journal
        .counts
        .iter()
        .filter(|(name, _)| !consequences.contains(*name))
        .map(|(name, count)| (*name, *count, took_effect(name)));
    let of_queues = [
        ("delivered twice", disturbed.duplicated),
        ("delete forgotten", disturbed.deletes_forgotten),
        ("not delivered by the topic", disturbed.undelivered),
        ("received out of order", disturbed.reordered),
        ("received less than there was", disturbed.short),
        ("wrong count of messages", disturbed.miscounted),
    ];
    let faults = of_calls.chain(of_queues.map(|(name, count)| (name, count.done, count.took_effect))).collect();
    let violations = journal.violations.iter().take(5).map(|(command, what)| {
        let life = command.map(|command| journal.lives(journal.known[command as usize].stream())).unwrap_or_default();
        format!("{what}\n{life}")
    });
    let mut violations: Vec<String> = violations.collect();
    if journal.violations.len() > 5 {
        violations.push(format!("and {} more", journal.violations.len() - 5));
    }
    let count = |which: &dyn Fn(&Known) -> bool| journal.known.iter().filter(|known| which(known)).count();
    let called = |name: &str| journal.counts.get(name).map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX));
    let ended = |known: &Known, outcome: &str| known.effect.is_some_and(|(_, effect)| effect == outcome);
    let mut sent = BTreeMap::new();
    for known in journal.known.iter().filter(|known| known.turn.is_none()) {
        *sent.entry(known.ty.clone()).or_default() += 1;
    }
    let outcomes = vec![
        ("succeeded", count(&|known| ended(known, "succeeded"))),
        ("rejected", count(&|known| ended(known, "rejected"))),
        ("discarded by an operator", count(&|known| known.discarded)),
        ("dead-lettered", count(&|known| known.dead_lettered)),
        ("sent back by redrive", count(&|known| known.redriven)),
        ("parked", count(&|known| known.parked)),
        ("resubmitted by an operator", count(&|known| known.resubmitted)),
        ("actions of operators that came too late", journal.conflicts),
        ("accepted more than once", count(&|known| known.receipts.len() > 1)),
        (MET, journal.expectations.get(&true).copied().unwrap_or_default()),
        (UNMET, journal.expectations.get(&false).copied().unwrap_or_default()),
        ("commits in the longest stream", journal.longest_stream()),
        ("records of the tables' streams read again", journal.rewound),
        ("calls refused in outages", called(DOWN)),
        ("calls that were cut off", called(CUT_OFF)),
    ];
    Report {
        plan: world.plan,
        hash: journal.hash(),
        calls: journal.calls,
        virtual_time,
        took,
        violations,
        faults,
        outcomes,
        sent,
        versions: journal.versions.clone(),
        layouts: journal.reads.layouts("/orders/"),
        rebuilt: world.aws.items(TABLES.jobs).iter().filter_map(|part| part["counts"]["written"].as_u64()).sum(),
        verified,
        names: world.chaos.calls(),
    }
}

/// Commands that named the version of their aggregate, and it was or was not at that one.
const MET: &str = "expected the version that was there";
const UNMET: &str = "expected another version";

impl Report {
    pub fn counted(&self, what: &str) -> usize {
        self.outcomes.iter().find(|(name, _)| *name == what).map_or(0, |(_, count)| *count)
    }

    #[track_caller]
    pub fn assert_some_expectations_were_met(&self) {
        let (met, unmet) = (self.counted(MET), self.counted(UNMET));
        assert!(met > 10 && unmet > 10, "{met} expected the version that was there, {unmet} another one");
    }

    pub fn injected(&self) -> u64 {
        self.faults.iter().map(|(_, injected, _)| injected).sum()
    }

    pub fn took_effect(&self) -> u64 {
        self.faults.iter().map(|(.., took)| took).sum()
    }

    #[track_caller]
    pub fn assert_all_holds(&self) {
        assert!(self.violations.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, commands, faults, max_receives, .. } = self.plan;
        writeln!(f, "seed {seed}, {commands} commands, {faults} faults per mille of calls, {max_receives} receives")?;
        let hours = self.virtual_time.as_secs_f64() / 3600.0;
        writeln!(
            f,
            "{} calls to AWS in {hours:.1} simulated hours, {:.1} s here",
            self.calls,
            self.took.as_secs_f64()
        )?;
        for (outcome, count) in &self.outcomes {
            writeln!(f, "  {count:>8}  {outcome}")?;
        }
        writeln!(f, "  {:>8}  sent by the installation itself", self.sent.values().sum::<usize>())?;
        for (ty, count) in &self.sent {
            writeln!(f, "  {count:>8}    {ty}")?;
        }
        writeln!(f, "  injected  took effect")?;
        let all = ("faults", self.injected(), self.took_effect());
        for (name, injected, took) in std::iter::once(&all).chain(&self.faults) {
            writeln!(f, "  {injected:>8}  {took:>11}  {name}")?;
        }
        writeln!(f, "trace {:016x}", self.hash)?;
        if self.violations.is_empty() {
            return writeln!(f, "0 lost, 0 duplicated, 0 reordered, 0 stuck");
        }
        if self.plan == (Plan { faults, max_receives, ..Plan::new(seed, commands) }) {
            let again = format!("--seed {seed} --commands {commands} --faults {faults} --receives {max_receives}");
            writeln!(f, "\nFAILED. Again: cargo xtask simulate {again}")?;
        } else {
            writeln!(f, "\nFAILED. Again: {:?}", self.plan)?;
        }
        for violation in &self.violations {
            writeln!(f, "\n{violation}")?;
        }
        Ok(())
    }
}
