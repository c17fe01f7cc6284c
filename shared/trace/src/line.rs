//! A line of a trace: one command, and what is known of it.

use kernel::domain_event::RecordedEvent;
use kernel::ids::{CommandKey, StreamId};
use kernel::operation::{LONGEST_WAY, Operation, Status};
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use store::operations::OperationRecord;
use store::traces::ParkedSummary;
use store::webhooks::Endpoint;
use store::webhooks::progress::Progress;

/// What a command follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// The command before has sent it.
    Sent,
    /// Its context heard this event of the command before.
    Heard { version: u64 },
    /// A function did in the outside world what this event asks for, and tells what came out.
    Outcome { version: u64 },
    /// A timer that the command before has set was due.
    Timer { name: String },
    /// It tells the context that has sent the command before that it was refused.
    Refusal,
}

/// A command, and what is known of it.
#[derive(Debug)]
pub struct Line {
    /// What it follows from; `None`: it was asked for.
    pub how: Option<How>,
    pub key: CommandKey,
    /// `None` only of a record that is damaged.
    pub receipt: Option<Receipt>,
    /// The aggregate that it is for; `None` where no record tells yet.
    pub stream: Option<StreamId>,
    pub ty: Option<String>,
    pub record: Option<OperationRecord>,
    /// What it made happen, in order.
    pub events: Vec<RecordedEvent>,
    /// The documents of its aggregate.
    pub documents: Vec<Document>,
    pub timers: Vec<Timer>,
    /// The names of timers that it has taken back.
    pub cancelled: Vec<String>,
    /// Only for operators.
    pub parked: Option<ParkedSummary>,
    /// Only for operators: by endpoint that wants some of its events.
    pub deliveries: Vec<Delivery>,
    /// What followed from it.
    pub caused: Vec<Self>,
}

/// How far one read model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub collection: &'static str,
    /// `None`: there is no document.
    pub version: Option<u64>,
    /// Whose document it is; `None`: nothing tells, or a build with another layout said it.
    pub owner: Option<String>,
}

/// A timer that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    pub name: String,
    pub due: Timestamp,
    /// The command that it hands in.
    pub ty: String,
    pub key: CommandKey,
    /// Its row is there: its command is not in a queue yet.
    pub waits: bool,
}

/// How far an endpoint is with what the command made happen.
#[derive(Debug)]
pub struct Delivery {
    pub endpoint: Endpoint,
    /// The last version that it wants.
    pub version: u64,
    /// `None`: no dispatcher has noted anything of the stream.
    pub progress: Option<Progress>,
}

impl Line {
    /// The operation as the holder of its receipt sees it; `None` if no record tells of it any more.
    pub fn operation(&self, now: Timestamp, public_url: &str) -> Option<Operation> {
        let receipt = self.receipt.as_ref()?;
        if let Some(record) = &self.record {
            return Some(record.seen_by(receipt, public_url));
        }
        if self.is_forgotten(now) {
            return None;
        }
        let mut operation = Operation::accepted(receipt.to_string(), receipt.accepted_at);
        operation.ty.clone_from(&self.ty);
        operation.subject = self.stream.as_ref().map(|stream| stream.aggregate.to_string());
        Some(operation)
    }

    /// No record tells of it, and it cannot be on its way any more.
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        self.record.is_none() && self.receipt.is_none_or(|receipt| receipt.accepted_at.plus(LONGEST_WAY) < now)
    }

    /// Its record, if that is of this very command: another one under the same id may have come first.
    pub fn own_record(&self) -> Option<&OperationRecord> {
        let digest = self.receipt?.digest.to_string();
        self.record.as_ref().filter(|record| record.digest == digest)
    }

    /// The version that its aggregate has since.
    pub fn version(&self) -> Option<u64> {
        self.own_record().filter(|record| record.outcome == Status::Succeeded)?.version
    }

    /// Whether anybody has shown that its events are published: a document, a command that was handled, a timer, an endpoint.
    /// Nothing else tells, for what is published leaves no mark.
    pub fn is_seen(&self) -> bool {
        let Some(last) = self.events.last() else { return false };
        let reached = |version: Option<u64>| version.is_some_and(|version| version >= last.version);
        self.documents.iter().any(|document| reached(document.version))
            || self.caused.iter().any(|caused| caused.record.is_some())
            || self.timers.iter().any(|timer| timer.waits)
            || self.deliveries.iter().any(|delivery| reached(delivery.progress.as_ref().map(|progress| progress.head)))
    }
}
