//! Given these events, when this command, then those; and what must hold for every onboarding.

mod interleavings;
mod reading;
mod steps;
mod waiting;

use std::time::Duration;

use kernel::effect::Effect;
use kernel::ids::AggregateId;
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use schemars::schema_for;
use spec::{assert_agrees_with_schema, assert_safe_to_repeat, assert_schemas_match, time};

use crate::commands::{
    CheckStep, Command, Contact, EnrollPatient, GiveConsent, Practice, RecordCoverage, RecordNotification,
    ScheduleAppointment, WithdrawPatient,
};
use crate::events::{
    AppointmentScheduled, ConsentGiven, CoverageConfirmed, CoverageDenied, Event, NotificationRecorded,
    OnboardingCompleted, OnboardingGivenUp, PatientEnrolled, PatientWithdrawn, Reason, ReminderDue, StepAwaited,
    StepEscalated,
};
use crate::state::Step;
use crate::{CONTEXT, Patients};

/// So many days after the specification's now.
fn day(days: u64) -> Timestamp {
    time(spec::NOW).plus(Duration::from_hours(24 * days))
}

fn enroll() -> EnrollPatient {
    let id = AggregateId::parse("PR-1").expect("an id");
    EnrollPatient {
        practice: Practice { id, email: "office@practice.example".to_owned() },
        contact: Contact { name: "Ada".to_owned(), email: "ada@patients.example".to_owned() },
    }
}

fn covered(covered: bool) -> RecordCoverage {
    RecordCoverage { covered }
}

fn schedule() -> ScheduleAppointment {
    ScheduleAppointment { at: time("2026-03-02T09:00:00Z") }
}

fn enrolled() -> Event {
    let EnrollPatient { practice, contact } = enroll();
    PatientEnrolled { practice, contact, enrolled_at: day(0) }.into()
}

fn consented() -> Event {
    ConsentGiven { given_at: day(0) }.into()
}

fn confirmed() -> Event {
    CoverageConfirmed {}.into()
}

fn denied() -> Event {
    CoverageDenied {}.into()
}

fn scheduled() -> Event {
    AppointmentScheduled { at: schedule().at }.into()
}

fn awaited(step: Step, since: Timestamp) -> Event {
    StepAwaited { step, since }.into()
}

fn reminded(step: Step, number: u32) -> Event {
    ReminderDue { step, number }.into()
}

fn escalated(step: Step, reason: Reason) -> Event {
    StepEscalated { step, reason }.into()
}

fn given_up(step: Step) -> Event {
    OnboardingGivenUp { step }.into()
}

fn completed() -> Event {
    OnboardingCompleted {}.into()
}

fn withdrawn() -> Event {
    PatientWithdrawn {}.into()
}

fn set(step: Step, due: Timestamp) -> Effect {
    Effect::set_timer(step.name(), due, Command::from(CheckStep { step }))
}

fn cancel(step: Step) -> Effect {
    Effect::cancel_timer(step.name())
}

mod schemas {
    use super::*;

    #[test]
    fn schema_files_match_the_types() {
        let generated = [
            schema_for!(EnrollPatient),
            schema_for!(GiveConsent),
            schema_for!(RecordCoverage),
            schema_for!(ScheduleAppointment),
            schema_for!(WithdrawPatient),
            schema_for!(CheckStep),
            schema_for!(RecordNotification),
            schema_for!(PatientEnrolled),
            schema_for!(ConsentGiven),
            schema_for!(CoverageConfirmed),
            schema_for!(CoverageDenied),
            schema_for!(AppointmentScheduled),
            schema_for!(StepAwaited),
            schema_for!(ReminderDue),
            schema_for!(StepEscalated),
            schema_for!(NotificationRecorded),
            schema_for!(OnboardingGivenUp),
            schema_for!(OnboardingCompleted),
            schema_for!(PatientWithdrawn),
        ];
        assert_schemas_match(&CONTEXT, generated.map(Into::into));
    }

    /// Erasure has one event to look at.
    #[test]
    fn only_the_enrolment_has_personal_data() {
        for event in CONTEXT.events() {
            let schema = CONTEXT.schema(event.name, 1).expect("a bundled schema");
            assert_eq!(schema.contains("\"name\""), event.name == "PatientEnrolled", "{}", event.name);
            assert_eq!(schema.contains("\"email\""), event.name == "PatientEnrolled", "{}", event.name);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn schemas_and_types_accept_the_same(command in commands()) {
            assert_agrees_with_schema(&command);
        }
    }

    proptest! {
        #[test]
        fn every_command_is_safe_to_repeat(commands in prop::collection::vec(commands(), 0..12)) {
            assert_safe_to_repeat::<Patients>(commands);
        }
    }

    fn commands() -> impl Strategy<Value = Command> {
        let name = prop::collection::vec(any::<char>(), 1..=200).prop_map(String::from_iter);
        let email = "[a-z]{1,20}@[a-z]{1,20}\\.example";
        let steps = prop_oneof![Just(Step::Consent), Just(Step::Insurance), Just(Step::Appointment)];
        prop_oneof![
            ("[A-Za-z0-9._~:@-]{1,64}", email, name, email).prop_map(|(id, office, name, email)| {
                let id = AggregateId::parse(&id).expect("an id");
                EnrollPatient { practice: Practice { id, email: office }, contact: Contact { name, email } }.into()
            }),
            Just(GiveConsent {}.into()),
            any::<bool>().prop_map(|yes| covered(yes).into()),
            (0..9_999_999_u64).prop_map(|seconds| ScheduleAppointment {
                at: Timestamp::from_millis(31_536_000_000 + seconds * 1000)
            }
            .into()),
            Just(WithdrawPatient {}.into()),
            steps.clone().prop_map(|step| CheckStep { step }.into()),
            (steps, 1..9_u64, any::<bool>()).prop_map(|(step, request, delivered)| RecordNotification {
                step,
                request,
                delivered
            }
            .into()),
        ]
    }
}
