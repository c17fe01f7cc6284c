//! Reminders, escalation and giving up; stale timers; and what becomes of mails.

use spec::{Given, given};

use super::*;

const CHECK: CheckStep = CheckStep { step: Step::Consent };

/// Enrolled on day 0: the consent is awaited.
fn waiting() -> Given<Patients> {
    given([enrolled(), awaited(Step::Consent, day(0))])
}

/// The practice has been told on day 14.
fn overdue() -> Given<Patients> {
    waiting()
        .when_at(day(3), CHECK)
        .then_causing([reminded(Step::Consent, 1)], [set(Step::Consent, day(7))])
        .when_at(day(7), CHECK)
        .then_causing([reminded(Step::Consent, 2)], [set(Step::Consent, day(14))])
        .when_at(day(14), CHECK)
        .then_causing([escalated(Step::Consent, Reason::Overdue)], [set(Step::Consent, day(28))])
}

fn hopeless() -> Given<Patients> {
    overdue().when_at(day(28), CHECK).then_causing([given_up(Step::Consent)], [cancel(Step::Consent)])
}

#[test]
fn a_step_is_reminded_of_twice_then_escalated_then_given_up() {
    hopeless();
}

#[test]
fn the_next_step_waits_as_long_as_the_first() {
    waiting()
        .when_at(day(5), GiveConsent {})
        .then_causing(
            [ConsentGiven { given_at: day(5) }.into(), awaited(Step::Insurance, day(5))],
            [cancel(Step::Consent), set(Step::Insurance, day(8))],
        )
        .when_at(day(8), CheckStep { step: Step::Insurance })
        .then_causing([reminded(Step::Insurance, 1)], [set(Step::Insurance, day(12))]);
}

#[test]
fn a_timer_that_nobody_waits_for_any_more_does_nothing() {
    waiting()
        .when_at(day(2), CHECK)
        .then_nothing()
        .when_at(day(3), CHECK)
        .then_causing([reminded(Step::Consent, 1)], [set(Step::Consent, day(7))])
        .when_at(day(3), CHECK)
        .then_nothing()
        .when_at(day(4), GiveConsent {})
        .then_causing(
            [ConsentGiven { given_at: day(4) }.into(), awaited(Step::Insurance, day(4))],
            [cancel(Step::Consent), set(Step::Insurance, day(7))],
        )
        // Due on the day of the other step's.
        .when_at(day(7), CHECK)
        .then_nothing();
    given::<Patients>([]).when(CHECK).then_nothing();
}

#[test]
fn after_giving_up_nothing_is_due() {
    let mut past = hopeless();
    for days in [3, 7, 14, 28, 56] {
        past = past.when_at(day(days), CHECK).then_nothing();
    }
    past.when_at(day(29), RecordNotification { step: Step::Consent, request: 5, delivered: false }).then_nothing();
}

#[test]
fn a_step_that_is_done_after_giving_up_takes_the_onboarding_up_again() {
    hopeless()
        // Not the one that was awaited.
        .when_at(day(30), covered(true))
        .then([confirmed()])
        .when_at(day(31), GiveConsent {})
        .then_causing(
            [ConsentGiven { given_at: day(31) }.into(), awaited(Step::Appointment, day(31))],
            [set(Step::Appointment, day(34))],
        );
}

#[test]
fn a_no_of_the_insurer_after_giving_up_is_told_to_nobody() {
    given::<Patients>([enrolled(), consented(), awaited(Step::Insurance, day(0)), given_up(Step::Insurance)])
        .when_at(day(30), covered(false))
        .then([denied()]);
}

#[test]
fn an_address_that_takes_no_mail_is_told_to_the_practice_at_once() {
    let record = |delivered| RecordNotification { step: Step::Consent, request: 2, delivered };
    let recorded = |delivered| Event::from(NotificationRecorded { request: 2, delivered });
    waiting().when_at(day(1), record(true)).then([recorded(true)]).when_at(day(1), record(true)).then_nothing();
    waiting()
        .when_at(day(1), record(false))
        .then_causing([recorded(false), escalated(Step::Consent, Reason::Undeliverable)], [set(Step::Consent, day(28))])
        .when_at(day(1), record(false))
        .then_nothing()
        // No reminders from here on.
        .when_at(day(3), CHECK)
        .then_nothing()
        .when_at(day(28), CHECK)
        .then_causing([given_up(Step::Consent)], [cancel(Step::Consent)]);
    // The practice knows already.
    let reminder = RecordNotification { step: Step::Consent, request: 4, delivered: false };
    overdue().when_at(day(14), reminder).then([NotificationRecorded { request: 4, delivered: false }.into()]);
    // Of another step than the one that is awaited.
    let done = given::<Patients>([enrolled(), consented(), awaited(Step::Insurance, day(0))]);
    done.when(record(false)).then_nothing();
}
