//! Commands and timers in any order, late and twice.

use std::collections::BTreeSet;

use kernel::decider::{Decider, Decision, Metadata};
use kernel::principal::{Principal, PrincipalKind};

use super::*;
use crate::state::State;

/// An aggregate, and every timer that was ever set for it: also those that were cancelled or replaced.
#[derive(Default)]
struct Onboarding {
    state: State,
    events: Vec<Event>,
    timers: Vec<(Step, Timestamp)>,
}

impl Onboarding {
    fn handle(&mut self, at: Timestamp, command: &Command) {
        let principal = Principal { id: "somebody".to_owned(), kind: PrincipalKind::User };
        let aggregate = AggregateId::parse("P-1").expect("an id");
        let decided = Patients::decide(&self.state, command, &Metadata { aggregate, accepted_at: at, principal });
        let Ok(Decision { events, effects, .. }) = decided else { return };
        self.allowed(at, &events);
        for event in events {
            self.state = Patients::evolve(std::mem::take(&mut self.state), &event);
            self.events.push(event);
        }
        for effect in effects {
            if let Effect::SetTimer { name, due, .. } = effect {
                let step =
                    [Step::Consent, Step::Insurance, Step::Appointment].into_iter().find(|step| step.name() == name);
                self.timers.push((step.expect("a step's name"), due));
            }
        }
    }

    /// A reminder, an escalation and giving up are of a step that is awaited, and not done: not after giving up, either.
    fn allowed(&self, at: Timestamp, events: &[Event]) {
        for event in events {
            let (step, days) = match event {
                Event::ReminderDue(event) => (event.step, if event.number == 1 { 3 } else { 7 }),
                Event::OnboardingGivenUp(event) => (event.step, 28),
                _ => continue,
            };
            let awaited = self.state.waiting().expect("somebody waits");
            assert_eq!((Some(step), awaited.step), (self.state.missing(), step), "{:?}", self.events);
            assert_eq!(at, awaited.since.plus(Duration::from_hours(24 * days)), "{:?}", self.events);
        }
    }

    /// Where it ends: everything but the times.
    fn end(&self) -> (bool, bool, Option<Step>, bool) {
        let given_up = self.state.awaited.as_ref().is_some_and(|awaited| awaited.given_up);
        (self.state.completed, self.state.withdrawn, self.state.missing(), given_up)
    }
}

/// The commands of clients that an onboarding gets, some of them twice, each after a pause of so many days.
fn arrivals() -> impl Strategy<Value = Vec<(u64, Command)>> {
    let commands = [
        Command::from(enroll()),
        GiveConsent {}.into(),
        covered(false).into(),
        covered(true).into(),
        schedule().into(),
    ];
    let times = prop::collection::vec(0..3_usize, commands.len());
    times
        .prop_map(move |times| {
            commands.iter().zip(times).flat_map(|(command, times)| vec![command.clone(); times]).collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_flat_map(|commands| {
            let pauses = prop::collection::vec(0..40_u64, commands.len());
            pauses.prop_map(move |pauses| pauses.into_iter().zip(commands.clone()).collect())
        })
}

/// All that arrives, with every timer: on its day, or late, and again. Then the rest of the timers, until none is left.
fn run(arrivals: &[(u64, Command)], late: &[u64]) -> Onboarding {
    let mut onboarding = Onboarding::default();
    let mut fired: BTreeSet<(usize, u32)> = BTreeSet::new();
    let mut now = 0;
    let mut fire = |onboarding: &mut Onboarding, now: u64| {
        let mut at = 0;
        while at < onboarding.timers.len() {
            let (step, due) = onboarding.timers[at];
            // The second time it is a message that came twice.
            for time in 0..2 {
                let late = late[(at + time as usize) % late.len()];
                if due.plus(Duration::from_hours(24 * late)) <= day(now) && fired.insert((at, time)) {
                    onboarding.handle(due, &CheckStep { step }.into());
                }
            }
            at += 1;
        }
    };
    for (pause, command) in arrivals {
        now += pause;
        fire(&mut onboarding, now);
        onboarding.handle(day(now), command);
    }
    for _ in 0..20 {
        now += 40;
        fire(&mut onboarding, now);
    }
    onboarding
}

fn is_in_order(command: &Command) -> usize {
    match command {
        Command::EnrollPatient(_) => 0,
        Command::GiveConsent(_) => 1,
        Command::RecordCoverage(coverage) => 2 + usize::from(coverage.covered),
        _ => 4,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_the_order_an_onboarding_ends_where_it_would_have_in_order(
        arrivals in arrivals(),
        late in prop::collection::vec(0..30_u64, 1..5),
    ) {
        let mut ordered: Vec<_> = arrivals.iter().map(|(_, command)| (0, command.clone())).collect();
        ordered.sort_by_key(|(_, command)| is_in_order(command));
        ordered.dedup_by(|one, other| one.1 == other.1);
        let (one, other) = (run(&arrivals, &late), run(&ordered, &[0]));
        prop_assert_eq!(one.end(), other.end(), "{:?}\n{:?}", one.events, other.events);
        prop_assert_eq!(one.state.waiting(), None, "nobody waits for ever: {:?}", one.events);
    }

    #[test]
    fn a_withdrawal_wins_wherever_it_comes(
        arrivals in arrivals(),
        place in any::<prop::sample::Index>(),
        late in prop::collection::vec(0..30_u64, 1..5),
    ) {
        let mut arrivals = arrivals;
        arrivals.insert(place.index(arrivals.len() + 1), (1, WithdrawPatient {}.into()));
        let onboarding = run(&arrivals, &late);
        prop_assert!(onboarding.state.withdrawn);
        prop_assert_eq!(onboarding.events.last(), Some(&withdrawn()), "{:?}", onboarding.events);
    }
}
