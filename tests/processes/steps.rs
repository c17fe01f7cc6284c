//! Each step of a process when nothing goes wrong, and what its messages say of where they come from.

use kernel::cloud_event::CloudEvent;
use kernel::command::{Command, PrincipalKind};
use testkit::TABLES;

use crate::probe::{Misdeed, Release, parcels, watches};
use crate::{dispatch, happened, installation, watched};

#[tokio::test(start_paused = true)]
async fn what_is_heard_is_decided_and_what_is_sent_is_carried_out() {
    let it = installation();
    dispatch(&it, "P-1", 0).await;
    it.settle().await;
    assert_eq!(happened(&it, "P-1"), ["Dispatched", "Released"]);
    assert_eq!(watched(&it, "P-1"), ["Watched", "Finished"]);
    assert_eq!(it.timers(), [] as [String; 0], "it is cancelled");
}

#[tokio::test(start_paused = true)]
async fn who_has_sent_a_command_is_told_that_it_was_refused() {
    let it = installation();
    dispatch(&it, "held-1", 0).await;
    it.settle().await;
    assert_eq!(happened(&it, "held-1"), ["Dispatched"]);
    assert_eq!(watched(&it, "held-1"), ["Watched", "Refused"]);
    let refused = &it.recorded("acme/watches/held-1")[1];
    assert_eq!(refused.event.data.get(), r#"{"reason":"held"}"#);
    assert_eq!(it.timers(), [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_clients_command_that_is_refused_is_told_to_no_context() {
    let it = installation();
    let release = parcels::Command::from(Release {});
    it.send("parcels", "held-2", "by-hand", release).await;
    it.settle().await;
    assert_eq!(it.outcomes("parcels"), [("Release".into(), "held-2".into(), "rejected".into())]);
    assert_eq!(it.outcomes("watches"), []);
}

#[tokio::test(start_paused = true)]
async fn a_command_says_who_has_caused_it_and_what_began_it_all() {
    let it = installation();
    dispatch(&it, "P-1", 0).await;
    let mut seen: Vec<Command> = Vec::new();
    while it.step().await {
        for context in ["parcels", "watches"] {
            let waiting = it.aws.messages(&bench::platform::commands(context));
            seen.extend(waiting.iter().map(|it| Command::open(it.body.as_bytes(), context).expect("a command")));
        }
    }
    let [watch, release, note] = &seen[..] else {
        panic!("{:?}", seen.iter().map(|it| it.event.ty()).collect::<Vec<_>>())
    };
    let dispatched = &it.recorded("acme/parcels/P-1")[0];
    let at_first = &dispatched.event.cause;
    for command in [watch, release, note] {
        assert_eq!((command.principal.id.as_str(), command.principal.kind), ("watches", PrincipalKind::System));
        assert_eq!((&command.correlation, &command.traceparent), (&at_first.correlation, &at_first.traceparent));
        assert!(command.receipt.is_of_system());
    }
    let causation = |event: &CloudEvent| event.extension("causationid").map(ToString::to_string);
    assert_eq!(causation(&watch.event).as_deref(), Some("acme/parcels/P-1/1"));
    assert_eq!(causation(&release.event), Some(watch.receipt.to_string()), "the operation before");
    assert_eq!(causation(&note.event).as_deref(), Some("acme/parcels/P-1/2"));
    assert_eq!(watch.receipt.accepted_at, dispatched.time, "it counts from the event");
    assert_eq!(release.reply_to.as_ref().map(|to| to.stream.to_string()).as_deref(), Some("acme/watches/P-1"));
    assert_eq!((&watch.reply_to, &note.reply_to), (&None, &None));
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_carried_out_is_parked_and_not_committed() {
    let it = installation();
    for (aggregate, without_event, words) in [
        ("W-1", true, "without an event that remembers it"),
        ("W-2", false, "sends Dispatch, which watches does not declare"),
    ] {
        it.send("watches", aggregate, aggregate, watches::Command::from(Misdeed { without_event })).await;
        it.settle().await;
        assert_eq!(watched(&it, aggregate), [] as [String; 0]);
        let parked = it.aws.items(TABLES.parked).into_iter().find(|parked| parked["subject"] == aggregate);
        let parked = parked.unwrap_or_else(|| panic!("{aggregate} is not parked"));
        assert!(parked["last_error"].as_str().is_some_and(|error| error.contains(words)), "{parked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_without_effects_costs_no_call_more() {
    let it = installation();
    let release = parcels::Command::from(Release {});
    it.send("parcels", "P-1", "by-hand", release).await;
    it.aws.forget_calls();
    it.step().await;
    let calls = it.aws.calls().to_string();
    let count = |operation: &str| calls.matches(operation).count();
    assert_eq!((count("Query"), count("TransactWriteItems"), count("PublishBatch")), (1, 1, 1), "{calls}");
    assert_eq!(count("PutItem") + count("DeleteItem") + count("GetItem"), 0, "{calls}");
}
