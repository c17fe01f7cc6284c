//! Patients' onboardings over weeks: asked, reminded, escalated, given up; and every call on the way failed in turn.

mod world;

use std::sync::atomic::Ordering;

use ::patients::commands::{
    Command, Contact, EnrollPatient, GiveConsent, Practice, RecordCoverage, ScheduleAppointment, WithdrawPatient,
};
use kernel::ids::AggregateId;
use kernel::timestamp::Timestamp;
use testkit::TABLES;

use self::world::{STREAM, World};
use crate::faults::{Ill, afflict};

const ADA: &str = "ada@patients.example";
const OFFICE: &str = "office@practice.example";

fn enroll(email: &str) -> Command {
    let id = AggregateId::parse("PR-1").expect("an id");
    EnrollPatient {
        practice: Practice { id, email: OFFICE.to_owned() },
        contact: Contact { name: "Ada".to_owned(), email: email.to_owned() },
    }
    .into()
}

fn consent() -> Command {
    GiveConsent {}.into()
}

fn covered(covered: bool) -> Command {
    RecordCoverage { covered }.into()
}

fn schedule() -> Command {
    ScheduleAppointment { at: Timestamp::parse("2027-03-02T09:00:00Z").expect("a time") }.into()
}

fn to(address: &str, subject: &str) -> (String, String) {
    (address.to_owned(), subject.to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_onboarding_is_completed_over_weeks() {
    let world = World::new();
    world.hand_in(enroll(ADA)).await;
    world.until_day(10).await;
    world.hand_in(consent()).await;
    world.until_day(12).await;
    world.hand_in(covered(false)).await;
    world.until_day(20).await;
    world.hand_in(covered(true)).await;
    world.until_day(24).await;
    world.hand_in(schedule()).await;
    world.until_day(100).await;
    assert_eq!(
        world.mails(),
        [
            to(ADA, "We need your consent"),
            to(ADA, "A reminder: we need your consent"),
            to(ADA, "A reminder: we need your consent"),
            to(ADA, "We need your insurance details"),
            to(OFFICE, "Patient P-1 needs your help"),
            to(ADA, "Your first appointment"),
            to(ADA, "A reminder: your first appointment"),
        ]
    );
    assert_eq!(world.document().await["stage"], "active");
    assert_eq!(world.it.aws.items(TABLES.timers), [] as [serde_json::Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_onboarding_that_nobody_answers_is_given_up_and_taken_up_again_by_a_late_step() {
    let world = World::new();
    world.hand_in(enroll(ADA)).await;
    world.until_day(13).await;
    assert_eq!(world.mails().len(), 3, "{:?}", world.mails());
    world.until_day(27).await;
    assert_eq!(world.mails()[3..], [to(OFFICE, "Patient P-1 needs your help")]);
    assert_eq!(world.document().await["stage"], "enrolled");
    world.until_day(90).await;
    assert_eq!(world.document().await["stage"], "given-up");
    assert_eq!(world.mails().len(), 4, "none after giving up: {:?}", world.mails());

    world.hand_in(consent()).await;
    world.until_day(92).await;
    assert_eq!(world.mails()[4..], [to(ADA, "We need your insurance details")]);
    assert_eq!(world.document().await["stage"], "consented");
}

#[tokio::test(start_paused = true)]
async fn a_patient_whose_address_takes_no_mail_is_the_practices_from_then_on() {
    let world = World::new();
    world.hand_in(enroll("nowhere")).await;
    world.until_day(27).await;
    assert_eq!(world.mails(), [to(OFFICE, "Patient P-1 needs your help")]);
    assert_eq!(world.document().await["awaited"]["escalated"], "undeliverable");
}

#[tokio::test(start_paused = true)]
async fn personal_data_is_kept_in_the_enrolment_alone() {
    let world = World::new();
    for command in [covered(true), enroll(ADA), consent()] {
        world.hand_in(command).await;
    }
    world.until_day(5).await;
    let tables = [TABLES.operations, TABLES.read_models, TABLES.timers, TABLES.guards, TABLES.parked];
    for item in tables.into_iter().flat_map(|table| world.it.aws.items(table)) {
        assert!(!item.to_string().contains("ada@") && !item.to_string().contains("Ada"), "{item}");
    }
    let with: Vec<_> =
        world.it.aws.items(TABLES.events).into_iter().filter(|item| item.to_string().contains("ada@")).collect();
    let [commit] = &with[..] else { panic!("one commit: {with:?}") };
    let members = commit.as_object().expect("an item");
    let with: Vec<_> = members.iter().filter(|(_, member)| member.to_string().contains("ada@")).collect();
    assert!(matches!(with[..], [(name, _)] if name == "events"), "{with:?}");
}

/// What came of it, whatever failed on the way: events without their times, and mails without repeats.
async fn outcome(world: &World) -> (Vec<String>, Vec<(String, String)>, serde_json::Value) {
    world.hand_in(schedule()).await;
    world.hand_in(enroll(ADA)).await;
    world.until_day(4).await;
    world.hand_in(consent()).await;
    world.until_day(5).await;
    world.hand_in(covered(true)).await;
    world.until_day(30).await;
    world.it.aws.heal();
    let mut mails = world.mails();
    mails.dedup();
    (world.it.events(STREAM), mails, world.document().await["stage"].clone())
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_an_onboarding_ends_the_same() {
    let expected = outcome(&World::new()).await;
    assert_eq!(expected.2, "active");
    for ill in [Ill::Refused, Ill::AnswerLost] {
        let (mut nth, mut calls) = (0, 1);
        while nth < calls {
            let world = World::new();
            let count = afflict(&world.it, nth, ill);
            let came = outcome(&world).await;
            assert_eq!(came, expected, "call {nth} {ill:?}\n{}", world.it.aws.calls());
            (nth, calls) = (nth + 1, count.load(Ordering::Relaxed));
        }
        assert!(nth > 50, "{nth} calls are too few for weeks");
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_come_twice_cause_no_second_mail_once_the_first_is_on_record() {
    let world = World::new();
    world.hand_in(enroll(ADA)).await;
    world.deliver_all_again().await;
    assert_eq!(world.mails(), [to(ADA, "We need your consent")]);
    // What is overtaken is not sent at all.
    world.hand_in(WithdrawPatient {}.into()).await;
    world.deliver_all_again().await;
    assert_eq!(world.mails().len(), 1);
}
