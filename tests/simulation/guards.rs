//! A simulation that finds nothing proves nothing: each guard is taken away in turn, and it must notice.

use crate::plan::{Guard, Plan};
use crate::run::simulate;

/// Within so many seeds it notices that the guard is missing; and with the guard, the very same run holds.
#[track_caller]
fn notices(plan: Plan, seeds: u64) {
    for seed in 1..=seeds {
        let report = simulate(Plan { seed, ..plan });
        if let Some(first) = report.violations.first() {
            println!("noticed at seed {seed}, in {:.1} s: {first}", report.took.as_secs_f64());
            return simulate(Plan { seed, without: None, ..plan }).assert_all_holds();
        }
    }
    panic!("{:?} is not missed in {seeds} seeds", plan.without);
}

/// Much goes wrong, and what fails once is a dead letter.
fn without(guard: Guard) -> Plan {
    Plan { without: Some(guard), max_receives: 1, faults: 120, deaths: 150, ..Plan::new(1, 300) }
}

#[test]
fn a_command_that_takes_effect_twice_is_noticed() {
    notices(without(Guard::Operation), 3);
}

#[test]
fn a_document_that_is_written_over_another_is_noticed() {
    notices(Plan { late: true, ..without(Guard::ReadModel) }, 4);
}

#[test]
fn a_dead_letter_that_is_deleted_before_it_is_sent_is_noticed() {
    notices(Plan { faults: 300, ..without(Guard::SendBeforeDelete) }, 8);
}
