//! What each step does: in its turn, early, twice and late.

use spec::given;

use super::*;

#[test]
fn a_patient_is_asked_for_one_step_after_the_other() {
    given::<Patients>([])
        .when(enroll())
        .then_causing([enrolled(), awaited(Step::Consent, day(0))], [set(Step::Consent, day(3))])
        .when_at(day(1), GiveConsent {})
        .then_causing(
            [ConsentGiven { given_at: day(1) }.into(), awaited(Step::Insurance, day(1))],
            [cancel(Step::Consent), set(Step::Insurance, day(4))],
        )
        .when_at(day(2), covered(true))
        .then_causing(
            [confirmed(), awaited(Step::Appointment, day(2))],
            [cancel(Step::Insurance), set(Step::Appointment, day(5))],
        )
        .when_at(day(3), schedule())
        .then_causing([scheduled(), completed()], [cancel(Step::Appointment)]);
}

#[test]
fn a_step_that_arrives_before_the_enrolment_is_not_asked_for() {
    given::<Patients>([])
        .when(GiveConsent {})
        .then([consented()])
        .when(covered(true))
        .then([confirmed()])
        .when_at(day(2), enroll())
        .then_causing(
            [
                PatientEnrolled { practice: enroll().practice, contact: enroll().contact, enrolled_at: day(2) }.into(),
                awaited(Step::Appointment, day(2)),
            ],
            [set(Step::Appointment, day(5))],
        );
    given::<Patients>([scheduled(), consented(), confirmed()]).when(enroll()).then([enrolled(), completed()]);
}

#[test]
fn a_step_before_its_turn_is_remembered_and_the_one_that_is_awaited_stays_so() {
    given::<Patients>([enrolled(), awaited(Step::Consent, day(0))])
        .when_at(day(1), schedule())
        .then([scheduled()])
        .when_at(day(1), covered(true))
        .then([confirmed()])
        .when_at(day(2), GiveConsent {})
        .then_causing([ConsentGiven { given_at: day(2) }.into(), completed()], [cancel(Step::Consent)]);
}

#[test]
fn a_step_that_arrives_twice_is_done_once() {
    given::<Patients>([enrolled(), awaited(Step::Consent, day(0)), consented(), awaited(Step::Insurance, day(0))])
        .when(GiveConsent {})
        .then_nothing()
        .when(schedule())
        .then([scheduled()])
        .when(schedule())
        .then_nothing()
        .when(covered(true))
        .then_causing([confirmed(), completed()], [cancel(Step::Insurance)])
        .when(covered(true))
        .then_nothing();
}

#[test]
fn news_that_does_not_fit_is_refused() {
    given::<Patients>([enrolled()]).when(enroll()).then_rejected("already-enrolled");
    let another = ScheduleAppointment { at: time("2026-03-03T09:00:00Z") };
    given::<Patients>([scheduled()]).when(another).then_rejected("already-scheduled");
}

#[test]
fn a_no_of_the_insurer_is_told_to_the_practice_and_a_yes_still_counts() {
    given::<Patients>([enrolled(), consented(), awaited(Step::Insurance, day(0))])
        .when_at(day(1), covered(false))
        .then_causing([denied(), escalated(Step::Insurance, Reason::CoverageDenied)], [set(Step::Insurance, day(28))])
        .when_at(day(2), covered(false))
        .then_nothing()
        .when_at(day(9), covered(true))
        .then_causing(
            [confirmed(), awaited(Step::Appointment, day(9))],
            [cancel(Step::Insurance), set(Step::Appointment, day(12))],
        )
        .when_at(day(9), covered(false))
        .then_nothing();
}

#[test]
fn an_early_no_of_the_insurer_is_told_when_its_turn_comes() {
    given::<Patients>([enrolled(), awaited(Step::Consent, day(0))])
        .when_at(day(1), covered(false))
        .then([denied()])
        .when_at(day(2), GiveConsent {})
        .then_causing(
            [
                ConsentGiven { given_at: day(2) }.into(),
                awaited(Step::Insurance, day(2)),
                escalated(Step::Insurance, Reason::CoverageDenied),
            ],
            [cancel(Step::Consent), set(Step::Insurance, day(30))],
        );
}

#[test]
fn a_withdrawal_ends_everything_at_any_time() {
    given::<Patients>([enrolled(), awaited(Step::Consent, day(0))])
        .when(WithdrawPatient {})
        .then_causing([withdrawn()], [cancel(Step::Consent)])
        .when(WithdrawPatient {})
        .then_nothing()
        .when_at(day(3), CheckStep { step: Step::Consent })
        .then_nothing()
        .when(RecordNotification { step: Step::Consent, request: 2, delivered: true })
        .then_nothing()
        .when(GiveConsent {})
        .then_rejected("withdrawn");
    given::<Patients>([completed()]).when(WithdrawPatient {}).then([withdrawn()]);
}

#[test]
fn a_withdrawal_that_overtakes_the_enrolment_keeps_its_personal_data_out() {
    given::<Patients>([]).when(WithdrawPatient {}).then([withdrawn()]).when(enroll()).then_rejected("withdrawn");
}
