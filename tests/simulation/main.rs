//! The whole platform in one process, on virtual time, from a seed, with everything going wrong: see
//! `docs/simulation.md`.

mod chaos;
mod check;
mod clients;
mod functions;
mod guards;
mod http;
mod ills;
mod invocation;
mod journal;
mod lanes;
mod operators;
mod plan;
mod points;
mod processes;
mod provider;
mod read_models;
mod releases;
mod reports;
mod rules;
mod run;
mod verification;
mod webhooks;
mod workload;
mod world;

use std::collections::BTreeSet;

use crate::plan::Plan;
use crate::releases::Rollout;
use crate::run::simulate;

/// A run of any size: `cargo xtask simulate`, which sets these variables.
#[test]
fn a_run_as_it_is_asked_for() {
    let number = |name: &str, or: u64| {
        std::env::var(name).map_or(or, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
    };
    let commands = usize::try_from(number("SIMULATION_COMMANDS", 100)).expect("a size that fits into memory");
    let mut plan = Plan::new(number("SIMULATION_SEED", 1), commands);
    let small = |name: &str, or: u32| u32::try_from(number(name, or.into())).expect("a small number");
    plan.faults = small("SIMULATION_FAULTS", plan.faults);
    plan.max_receives = small("SIMULATION_RECEIVES", plan.max_receives);
    let report = simulate(plan);
    println!("{report}");
    report.assert_all_holds();
}

#[test]
fn nothing_happens_where_nothing_goes_wrong() {
    let report = simulate(Plan::clean(1, 300));
    println!("{report}");
    report.assert_all_holds();
    assert_eq!(report.injected(), 0);
    assert!(report.verified > 50, "{} streams were verified", report.verified);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let [first, second] = [(); 2].map(|()| simulate(Plan::new(7, 100)));
    assert_eq!((first.hash, first.calls), (second.hash, second.calls));
    assert_ne!(first.hash, simulate(Plan::new(8, 100)).hash);
}

#[test]
fn commands_survive_whatever_goes_wrong() {
    let mut sent = BTreeSet::new();
    for (seed, commands) in [(1, 600), (2, 300), (3, 300)] {
        let report = simulate(Plan::new(seed, commands));
        println!("{report}");
        report.assert_all_holds();
        report.assert_some_expectations_were_met();
        sent.extend(report.sent.into_keys());
    }
    let all = [
        "StartPayment",
        "RecordCharge",
        "RecordDecline",
        "ConfirmOrder",
        "CancelOrder",
        "GiveUpPayment",
        "CallOffPayment",
        "RecordVoid",
        "RecordRefund",
        "RecordPosting",
        "CheckStep",
        "RecordNotification",
    ];
    let missing: Vec<_> = all.iter().filter(|ty| !sent.contains(**ty)).collect();
    assert!(missing.is_empty(), "the installation has sent none of {missing:?}");
}

#[test]
fn commands_survive_as_well_with_as_many_receives_as_are_deployed() {
    let report = simulate(Plan { max_receives: recovery::back_off::MAX_RECEIVES, ..Plan::new(5, 200) });
    println!("{report}");
    report.assert_all_holds();
}

#[test]
fn a_release_goes_forward_and_back_if_its_readers_came_first() {
    for plan in [Plan::clean(5, 600), Plan::new(5, 600)] {
        let report = simulate(Plan { rollout: Some(Rollout::ReadersFirst), ..plan });
        println!("{report}");
        report.assert_all_holds();
        for version in [1, 2] {
            let stored = report.versions.get(&("OrderShipped".to_owned(), version)).copied().unwrap_or_default();
            assert!(stored >= 3, "{stored} events of version {version}");
        }
    }
}

#[test]
fn a_release_that_writes_what_the_one_before_cannot_read_leaves_streams_that_stand_still() {
    let report = simulate(Plan { rollout: Some(Rollout::WritersFirst), ..Plan::clean(5, 300) });
    println!("{report}");
    let still =
        report.violations.iter().any(|violation| violation.contains("stands still: OrderShipped has no version 2"));
    assert!(still, "the checks notice nothing");
    // Nothing else goes wrong in this run.
    let parked = report.counted("parked");
    assert!(parked > 0, "no handler of the release before met what the new one wrote");
}

/// Another layout of orders in the middle of a run, with a rebuild behind it.
#[test]
fn a_release_with_another_layout_reads_right_all_the_time_and_is_rebuilt() {
    for plan in [Plan::clean(6, 400), Plan::new(6, 600), Plan::new(7, 400)] {
        let report = simulate(Plan { rollout: Some(Rollout::Layout), ..plan });
        println!("{report}");
        report.assert_all_holds();
        let [before, after] = [1, 2].map(|layout| report.layouts.get(&layout).copied().unwrap_or_default());
        assert!(
            before >= 3 && after >= 10,
            "orders were read {before} times in the first layout, {after} in the second"
        );
        assert!(report.rebuilt >= 10, "{} documents were rebuilt", report.rebuilt);
    }
}
