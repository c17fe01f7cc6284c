//! From a verdict to what is recorded of it.

use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use recovery::summary::{self, Cause};
use store::Entry;
use store::operations::OperationRecord;
use store::parked::ParkedMessage;

use crate::CommandHandler;
use crate::defect::Defect;
use crate::delivery::Delivery;
use crate::verdict::{Decision, Verdict};

impl CommandHandler {
    /// Until when the record of a final outcome is kept, in seconds since 1970.
    pub(crate) fn expiry(&self, now: Timestamp) -> u64 {
        now.plus(self.retention).seconds()
    }

    /// What one command adds to the transaction. `version` is the stream's before it.
    pub(crate) fn entry(&self, delivery: &Delivery, verdict: Verdict, version: u64, now: Timestamp) -> Entry {
        let mut operation =
            OperationRecord { expires_at: Some(self.expiry(now)), ..OperationRecord::of(&delivery.command, now) };
        let entry = |operation| Entry {
            operation,
            events: Vec::new(),
            guards: Vec::new(),
            effects: Vec::new(),
            parked: None,
            decided: true,
            next: None,
        };
        match verdict {
            Verdict::Decided(Decision { events, guards, effects, next }) => {
                let version = version + events.len() as u64;
                operation.outcome = Status::Succeeded;
                if version > 0 {
                    operation.version = Some(version);
                    let collection = delivery.aggregate_type.read_models.first().map(|model| model.collection());
                    operation.resource =
                        collection.map(|name| format!("/{name}/{}", delivery.command.stream.aggregate));
                }
                Entry { events, guards, effects, next: Some(next), ..entry(operation) }
            }
            Verdict::Rejected(rejection) => {
                operation.outcome = Status::Rejected;
                let problem = Problem::rejected(self.context.name, rejection.reason, rejection.detail);
                operation.problem = Some(problem.to_json());
                entry(operation)
            }
            Verdict::Unexpected { expected } => {
                operation.outcome = Status::Rejected;
                operation.problem = Some(unexpected(expected, version).to_json());
                entry(operation)
            }
            Verdict::Parked(defect) => {
                operation.outcome = Status::Parked;
                operation.expires_at = None;
                let detail = format!("it cannot be handled as it stands ({}) and waits for repair", defect.reason);
                operation.problem = Some(Problem::parked(detail).to_json());
                let parked = Some(self.parked_message(delivery, &defect, now));
                Entry { parked, decided: false, ..entry(operation) }
            }
        }
    }

    fn parked_message(&self, delivery: &Delivery, defect: &Defect, now: Timestamp) -> ParkedMessage {
        let Delivery { received, command, .. } = delivery;
        let cause = Cause::of(defect.reason.clone(), defect.error.clone(), &received.failure, now);
        let summary = summary::of_command(self.context.name, &command.header(), cause);
        ParkedMessage::new(summary, received.body.clone())
    }
}

/// What a client reads whose command came too late, or too early. `version` is the aggregate's, 0 where there is none.
fn unexpected(expected: u64, version: u64) -> Problem {
    let expected = match expected {
        0 => "it expects that there is no such aggregate yet".to_owned(),
        expected => format!("it expects version {expected}"),
    };
    let detail = match version {
        0 => format!("{expected}, and there is no such aggregate"),
        version => format!("{expected}, and the aggregate is at version {version}; read it, and decide anew"),
    };
    Problem::unexpected_version(detail)
}
