//! A simulation that finds nothing proves nothing: each guard is taken away in turn, and it must notice.

use serde_json::Value;
use testkit::{Attempt, Aws, TABLES};

use crate::invocation::Role;
use crate::plan::{Guard, Plan};
use crate::run::simulate;

/// What a call would be if the guard were not there.
pub fn without(guard: Guard, aws: &Aws, by: Option<Role>, attempt: &Attempt<'_>) -> Option<String> {
    let table = match guard {
        Guard::Operation => TABLES.operations,
        Guard::Commit => TABLES.events,
        Guard::ReadModel => TABLES.read_models,
        Guard::Claim | Guard::Counter => TABLES.guards,
        Guard::Publish => return without_its_last(attempt),
        Guard::SendBeforeDelete => {
            if attempt.operation == "SendMessageBatch" && by == Some(Role::Redrive) {
                delete_first(aws, attempt.body);
            }
            return None;
        }
    };
    if attempt.operation != "TransactWriteItems" || !attempt.body.contains(&format!("\"TableName\":\"{table}\"")) {
        return None;
    }
    let mut body: Value = serde_json::from_str(attempt.body).ok()?;
    let kind = if guard == Guard::Counter { "Update" } else { "Put" };
    for action in body["TransactItems"].as_array_mut()? {
        let Some(write) = action.get_mut(kind).filter(|write| write["TableName"] == table) else { continue };
        let update = write["UpdateExpression"].as_str().unwrap_or_default().to_owned();
        let write = write.as_object_mut()?;
        write.remove("ConditionExpression");
        if let Some(values) = write.get_mut("ExpressionAttributeValues").and_then(Value::as_object_mut) {
            values.retain(|name, _| update.contains(name.as_str()));
            if values.is_empty() {
                write.remove("ExpressionAttributeValues");
            }
        }
    }
    Some(body.to_string())
}

/// A batch for the topic without its last entry, if it has more than one.
fn without_its_last(attempt: &Attempt<'_>) -> Option<String> {
    let last = attempt.body.rfind("&PublishBatchRequestEntries.member.")?;
    let number = attempt.body[last..].split('.').nth(2).filter(|number| *number != "1")?;
    let entry = format!("PublishBatchRequestEntries.member.{number}.");
    (attempt.operation == "PublishBatch").then(|| {
        let kept: Vec<&str> = attempt.body.split('&').filter(|part| !part.starts_with(&entry)).collect();
        kept.join("&")
    })
}

/// Deletes the dead letters that are about to be sent back, whatever becomes of the send.
fn delete_first(aws: &Aws, body: &str) {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let entries: Vec<&str> =
        body["Entries"].as_array().into_iter().flatten().filter_map(|entry| entry["MessageBody"].as_str()).collect();
    let url = body["QueueUrl"].as_str().unwrap_or_default();
    if url.contains("-commands") {
        aws.remove(&url.replace("-commands", "-dead-letters"), |letter| entries.contains(&letter.body.as_str()));
    }
}

/// Within so many seeds it notices that the guard is missing, and says so in these words; and with the guard, the very
/// same run holds.
#[track_caller]
fn notices(plan: Plan, seeds: u64, words: &str) {
    for seed in 1..=seeds {
        let report = simulate(Plan { seed, ..plan });
        if let Some(first) = report.violations.iter().find(|violation| violation.contains(words)) {
            println!("noticed at seed {seed}, in {:.1} s: {first}", report.took.as_secs_f64());
            return simulate(Plan { seed, without: None, ..plan }).assert_all_holds();
        }
    }
    panic!("{:?} is not missed in {seeds} seeds", plan.without);
}

/// Much goes wrong, and what fails once is a dead letter.
fn plan(guard: Guard) -> Plan {
    Plan { without: Some(guard), max_receives: 1, faults: 120, ..Plan::new(1, 150) }
}

#[test]
fn a_command_that_takes_effect_twice_is_noticed() {
    notices(plan(Guard::Operation), 3, "it took effect twice");
}

#[test]
fn a_commit_that_is_written_over_another_is_noticed() {
    notices(Plan { late: true, hot: 900, ..plan(Guard::Commit) }, 4, "was written after commit");
}

#[test]
fn a_number_that_two_policies_have_is_noticed() {
    notices(Plan { hot: 0, commands: 300, ..plan(Guard::Claim) }, 4, r#""number":"N-1" was"#);
}

#[test]
fn an_account_that_is_overdrawn_is_noticed() {
    notices(Plan { hot: 900, ..plan(Guard::Counter) }, 4, "is overdrawn");
}

#[test]
fn an_event_that_is_not_published_is_noticed() {
    notices(plan(Guard::Publish), 1, "was not published");
}

#[test]
fn a_document_that_is_written_over_another_is_noticed() {
    notices(Plan { late: true, ..plan(Guard::ReadModel) }, 4, "and should be");
}

#[test]
fn a_dead_letter_that_is_deleted_before_it_is_sent_is_noticed() {
    notices(Plan { faults: 300, ..plan(Guard::SendBeforeDelete) }, 8, "on record as retrying, and it was nothing");
}
