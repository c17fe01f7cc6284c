//! From events of patients to mails, with the real clients on an AWS in process.

use bench::Bench;
use bench::platform::{environment, own_queue};
use kernel::domain_event::RecordedEvent;
use kernel::ids::AggregateId;
use kernel::message::Message as _;
use kernel::timestamp::Timestamp;
use notification_sender::patient::Event;
use notification_sender::{Command as Outcome, NotificationSender};
use patients::CONTEXT;
use patients::commands::{Command, Contact, EnrollPatient, GiveConsent, Practice, RecordCoverage};
use serde_json::{Value, json};
use subscriber::Runner;
use testkit::{Aws, Fault, Log, SentMail};
use tokio::time::{Duration, Instant};

const ADA: &str = "ada@patients.example";
const OFFICE: &str = "office@practice.example";

fn sender(aws: &Aws) -> Runner<NotificationSender> {
    let (queue, dead_letters) = (Aws::queue_url("own"), Aws::queue_url("own-dead"));
    let environment =
        environment().with(own_queue(&queue, &dead_letters)).with([("MAIL_FROM", "care@waybill.example")]);
    let sender = NotificationSender::from_environment(&environment, aws.dynamodb(), aws.ses(), aws.sqs());
    Runner::from_environment(sender.expect("settings that do"), &environment, aws.sqs()).expect("settings that do")
}

fn enroll(email: &str, office: &str) -> Command {
    let id = AggregateId::parse("PR-1").expect("an id");
    let contact = Contact { name: "Ada".to_owned(), email: email.to_owned() };
    EnrollPatient { practice: Practice { id, email: office.to_owned() }, contact }.into()
}

/// Handles these commands, one after the other.
async fn handled(bench: &Bench, commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        bench.send("P-1", &format!("c-{}", bench.commit_count("P-1")), command).await;
        bench.deliver().await;
    }
}

/// The event of the patient at this version, as subscribers get it.
fn event(bench: &Bench, version: usize) -> RecordedEvent {
    bench.recorded("P-1").remove(version - 1)
}

/// Whether the event is done; if not, it goes back to the queue.
async fn deliver(aws: &Aws, event: &RecordedEvent) -> bool {
    let body = event.to_cloud_event("https://api.example").to_json();
    let batch = serde_json::from_value(json!({ "Records": [{ "messageId": "m-1", "body": body }] }));
    let finish_by = Instant::now() + Duration::from_secs(20);
    let answer = sender(aws).handle(batch.expect("an SQS event"), Timestamp::from_millis(0), finish_by).await;
    answer.batch_item_failures.is_empty()
}

/// Data and principal of the commands that were handed in.
fn handed_in(bench: &Bench) -> Vec<(Value, Value)> {
    let read = |message: testkit::Message| {
        let command: Value = serde_json::from_str(&message.body).expect("JSON");
        (command["data"].clone(), command["authtype"].clone())
    };
    bench.waiting().into_iter().map(read).collect()
}

#[tokio::test(start_paused = true)]
async fn a_patient_is_asked_by_mail_and_the_onboarding_hears_that_it_was_sent() {
    let bench = Bench::of(&CONTEXT);
    handled(&bench, [enroll(ADA, OFFICE)]).await;
    assert!(deliver(&bench.aws, &event(&bench, 1)).await, "the enrolment itself asks for no mail");
    assert!(deliver(&bench.aws, &event(&bench, 2)).await);
    let text = "Dear Ada,\n\n\
        Please tell your practice that you agree to how it treats your data. Your practice is glad to help.\n\n\
        If you have done so already, there is nothing left to do.\n";
    assert_eq!(
        bench.aws.mails(),
        [SentMail {
            from: "care@waybill.example".to_owned(),
            to: ADA.to_owned(),
            subject: "We need your consent".to_owned(),
            text: text.to_owned(),
        }]
    );
    assert_eq!(handed_in(&bench), [(json!({ "step": "consent", "request": 2, "delivered": true }), json!("system"))]);

    bench.deliver().await;
    assert_eq!(event(&bench, 3).event.ty, "NotificationRecorded");
    assert!(deliver(&bench.aws, &event(&bench, 2)).await, "it comes again");
    assert_eq!(bench.aws.mails().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_something_newer_has_overtaken_is_not_sent() {
    let bench = Bench::of(&CONTEXT);
    handled(&bench, [enroll(ADA, OFFICE), GiveConsent {}.into()]).await;
    assert!(deliver(&bench.aws, &event(&bench, 2)).await);
    assert_eq!(bench.aws.mails(), []);
    assert!(deliver(&bench.aws, &event(&bench, 4)).await);
    assert_eq!(bench.aws.mails().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_ses_does_not_take_is_told_once_and_not_tried_again() {
    let bench = Bench::of(&CONTEXT);
    handled(&bench, [enroll("nowhere", OFFICE)]).await;
    for _ in 0..2 {
        assert!(deliver(&bench.aws, &event(&bench, 2)).await);
    }
    assert_eq!(
        handed_in(&bench),
        [(json!({ "step": "consent", "request": 2, "delivered": false }), json!("system"))],
        "twice is once"
    );
    bench.deliver().await;
    assert!(deliver(&bench.aws, &event(&bench, 4)).await);
    let mails: Vec<_> = bench.aws.mails().into_iter().map(|mail| (mail.to, mail.text)).collect();
    let text = "Patient P-1 is missing the consent. The address that we have takes no mail.\n\n\
        Please get in touch with the patient.\n";
    assert_eq!(mails, [(OFFICE.to_owned(), text.to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_practice_whose_address_takes_no_mail_is_left_to_the_operators() {
    let bench = Bench::of(&CONTEXT);
    handled(&bench, [enroll(ADA, "nowhere"), GiveConsent {}.into(), RecordCoverage { covered: false }.into()]).await;
    assert!(!deliver(&bench.aws, &event(&bench, 6)).await);
    assert_eq!(handed_in(&bench), []);
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_ses_refuses_for_other_reasons_comes_again_and_no_log_has_the_address() {
    let log = Log::default();
    let _guard = log.begin(&["notification_sender", "subscriber", "recovery", "lambda"]);
    let bench = Bench::of(&CONTEXT);
    handled(&bench, [enroll(ADA, OFFICE)]).await;
    for (status, code) in [(400, "MessageRejected"), (429, "TooManyRequestsException"), (503, "ServiceUnavailable")] {
        let message = format!("Email address is not verified: {ADA}");
        let fault = Fault::Refuse { status, code: code.to_owned(), message };
        bench.aws.inject(move |attempt| if attempt.operation == "SendEmail" { fault.clone() } else { Fault::None });
        assert!(!deliver(&bench.aws, &event(&bench, 2)).await, "{code}");
        bench.aws.heal();
    }
    assert_eq!((bench.aws.mails(), handed_in(&bench)), (Vec::new(), Vec::new()));
    assert!(deliver(&bench.aws, &event(&bench, 2)).await);
    assert_eq!(bench.aws.mails().len(), 1);
    let log = log.text();
    assert!(log.contains("MessageRejected"), "{log}");
    assert!(!log.contains("ada@") && !log.contains("Ada"), "{log}");
}

#[test]
fn every_version_that_the_context_publishes_is_read() {
    let published = CONTEXT.events().chain(CONTEXT.commands());
    let published: std::collections::BTreeMap<_, _> = published.map(|message| (message.name, message)).collect();
    for ours in Event::TYPES {
        let read: Vec<_> = ours.versions.iter().map(|version| version.number).collect();
        let other: Vec<_> = published[ours.name].versions.iter().map(|version| version.number).collect();
        assert_eq!(read, other, "{}", ours.name);
    }
    for ours in Outcome::TYPES {
        assert_eq!(ours.written, published[ours.name].written, "{}", ours.name);
    }
}
