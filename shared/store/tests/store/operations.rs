//! Operations: found by command, and seen by who holds which receipt.

use kernel::operation::{Resource, Status};
use kernel::problem::Problem;
use store::operations::OperationRecord;
use testkit::Fault;

use crate::probe::{self, Command, Write};
use crate::world::{World, command, entry, stream, tenant};

const URL: &str = "https://api.example";

fn write(letters: usize) -> kernel::command::Command {
    command(&stream("S-1"), "a", &Command::from(Write { lines: 1, letters }))
}

fn record(command: &kernel::command::Command) -> OperationRecord {
    OperationRecord {
        operation_key: OperationRecord::key(&tenant("acme"), command.receipt.command_key),
        digest: command.receipt.digest.to_string(),
        resource: Some("/probes/S-1".to_owned()),
        version: Some(3),
        ..entry("a").operation
    }
}

#[tokio::test]
async fn a_record_is_found_by_its_own_tenant_as_it_was_written() {
    let world = World::of(probe::context::<1>());
    let command = write(1);
    let full = OperationRecord {
        outcome: Status::Rejected,
        problem: Some(Problem::not_found("it is gone").to_json()),
        expires_at: Some(1_800_000_000),
        ..record(&command)
    };
    world.record(full.clone()).await;

    let key = command.receipt.command_key;
    assert_eq!(world.operations.find(&tenant("acme"), key).await.expect("found"), Some(full));
    assert_eq!(world.operations.find(&tenant("globex"), key).await.expect("not found"), None);
    world.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    assert!(world.operations.find(&tenant("acme"), key).await.is_err());
}

#[test]
fn a_success_links_what_it_changed_at_its_version() {
    let command = write(1);
    let seen = record(&command).seen_by(&command.receipt, URL);
    assert_eq!((seen.id, seen.status), (command.receipt.to_string(), Status::Succeeded));
    assert_eq!(seen.accepted_at, command.receipt.accepted_at);
    assert_eq!(seen.resource, Some(Resource { href: format!("{URL}/probes/S-1?version=3"), version: 3 }));
    assert!(seen.finished_at.is_some() && seen.error.is_none());
}

#[test]
fn what_is_not_final_has_not_finished() {
    let command = write(1);
    let problem = Some(Problem::parked("it waits for repair").to_json());
    let parked =
        OperationRecord { outcome: Status::Parked, resource: None, version: None, problem, ..record(&command) };
    let seen = parked.seen_by(&command.receipt, URL);
    assert_eq!((seen.status, seen.finished_at), (Status::Parked, None));
    assert_eq!(seen.error, Some(Problem::parked("it waits for repair")));
}

#[test]
fn a_receipt_of_other_content_reads_as_rejected_whatever_became_of_the_first() {
    let (first, second) = (write(1), write(2));
    assert_eq!(first.receipt.command_key, second.receipt.command_key, "the same id");
    for outcome in [Status::Succeeded, Status::Rejected, Status::Parked, Status::Retrying] {
        let seen = OperationRecord { outcome, ..record(&first) }.seen_by(&second.receipt, URL);
        assert_eq!((&seen.id, seen.status), (&second.receipt.to_string(), Status::Rejected), "{outcome:?}");
        assert_eq!(seen.error.map(|problem| problem.ty), Some(Problem::id_reused("").ty));
        assert_eq!((seen.ty, seen.subject, seen.resource), (None, None, None), "nothing of the first is told");
    }
}
