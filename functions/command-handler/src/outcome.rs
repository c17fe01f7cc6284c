//! From a verdict to what is recorded of it.

use kernel::decider::Rejection;
use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use store::Entry;
use store::operations::OperationRecord;
use store::parked::ParkedMessage;

use crate::CommandHandler;
use crate::delivery::Delivery;
use crate::verdict::{Fault, Verdict};

/// What is known of a command before it is decided (again).
#[derive(Debug, Clone)]
pub(crate) enum Settled {
    /// A guard did not hold.
    Rejected(Rejection),
    Parked(Fault),
}

impl From<Settled> for Verdict {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Rejected(rejection) => Self::Rejected(rejection),
            Settled::Parked(fault) => Self::Parked(fault),
        }
    }
}

impl CommandHandler {
    /// What one command adds to the transaction. `version` is the stream's before it.
    pub(crate) fn entry(&self, delivery: &Delivery, verdict: Verdict, version: u64, now: Timestamp) -> Entry {
        let mut operation = self.record(delivery, now);
        let entry = |operation| Entry {
            operation,
            events: Vec::new(),
            guards: Vec::new(),
            parked: None,
            decided: true,
            next: None,
        };
        match verdict {
            Verdict::Decided(decided) => {
                let version = version + decided.events.len() as u64;
                operation.outcome = Status::Succeeded;
                if version > 0 {
                    operation.version = Some(version);
                    let collection = self.context.read_models.first().map(|read_model| read_model.collection());
                    operation.resource =
                        collection.map(|name| format!("/{name}/{}", delivery.command.stream.aggregate));
                }
                Entry {
                    events: decided.events,
                    guards: decided.guards,
                    next: Some(decided.next.into()),
                    ..entry(operation)
                }
            }
            Verdict::Rejected(rejection) => {
                operation.outcome = Status::Rejected;
                operation.problem = Some(Problem::rejected(self.context.name, &rejection).to_json());
                entry(operation)
            }
            Verdict::Parked(fault) => {
                operation.outcome = Status::Parked;
                operation.expires_at = None;
                let detail = format!("it cannot be handled as it stands ({}) and waits for repair", fault.reason);
                operation.problem = Some(Problem::parked(detail).to_json());
                let parked = Some(self.parked_message(delivery, &fault, now));
                Entry { parked, decided: false, ..entry(operation) }
            }
        }
    }

    fn record(&self, delivery: &Delivery, now: Timestamp) -> OperationRecord {
        let command = &delivery.command;
        OperationRecord {
            operation_key: OperationRecord::key(&command.stream.tenant, command.receipt.command_key),
            outcome: Status::Succeeded,
            digest: command.receipt.digest.to_string(),
            context: self.context.name.to_owned(),
            command_type: command.event.ty().to_owned(),
            subject: command.stream.aggregate.to_string(),
            resource: None,
            version: None,
            problem: None,
            finished_at: now,
            expires_at: Some(now.plus(self.retention).seconds()),
        }
    }

    fn parked_message(&self, delivery: &Delivery, fault: &Fault, now: Timestamp) -> ParkedMessage {
        let command = &delivery.command;
        ParkedMessage {
            parked_key: ParkedMessage::key(command.stream.tenant.as_str(), self.context.name),
            id: ParkedMessage::id(command.receipt.accepted_at, command.receipt.command_key),
            message: delivery.body.clone(),
            reason: fault.reason.to_owned(),
            error: fault.error.clone(),
            command_type: Some(command.event.ty().to_owned()),
            operation: Some(command.receipt.to_string()),
            first_parked_at: now,
            receives: delivery.receives,
        }
    }
}
