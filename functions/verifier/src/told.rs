//! What a finding means, and what mends it.

use schemars::JsonSchema;
use serde::Serialize;
use store::findings::{Finding, Kind};

/// What mends a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "FindingAction")]
pub(crate) enum Action {
    /// the stream's commits are published once more, from the first one that is missing, and their effects carried out
    PublishAgain,
    /// the document is made anew from its events
    ProjectAgain,
    /// the totals are counted anew from all documents
    CountAnew,
    /// the operation is written as the events say
    WriteOutcome,
    /// the operation says that it is discarded, so that its sender knows
    GiveUp,
    /// the value is claimed for the aggregate
    ClaimAgain,
    /// the value is nobody's any more
    Release,
    /// the timer is set again, and hands in its command if it is due
    SetTimerAgain,
    /// the command is handed in
    HandIn,
    /// the refusal is told once more
    TellAgain,
    /// the operation is open again, so that the command can be sent again under its id
    Reopen,
    /// somebody brings back what is lost from a backup: "Restore" in the runbooks
    Restore,
    /// somebody decides on the parked message
    Decide,
    /// redrive sends what is unsent
    Redrive,
    /// the sender sends the command again, under its id
    SendAgain,
    /// somebody finds out whose it is, for both cannot be right
    Settle,
}

impl Action {
    /// Whether the verifier does it itself.
    pub fn is_done_here(self) -> bool {
        !matches!(self, Self::Restore | Self::Decide | Self::Redrive | Self::SendAgain | Self::Settle)
    }
}

impl Action {
    /// What somebody has to do who does it.
    pub fn by_hand(self) -> &'static str {
        match self {
            Self::Restore => "what is lost has to be brought back from a backup: the runbook Restore tells how",
            Self::Decide => "somebody has to decide on the parked message: resubmit, repair or discard it",
            Self::Redrive => "redrive sends what is unsent: ask for a run, and see what keeps it from sending",
            Self::SendAgain => "only its sender has the command: it has to be sent again, under its id",
            Self::Settle => "two commands or aggregates want the same: somebody has to find out whose it is",
            _ => "the verifier does it",
        }
    }
}

/// One sentence that says what it means.
pub(crate) fn means(kind: Kind) -> &'static str {
    match kind {
        Kind::CommitMissing => {
            "Events of this stream are lost, or damaged: what was decided on them cannot be explained."
        }
        Kind::CommitUnreadable => "A commit of this stream is damaged: nothing that follows from it can be made anew.",
        Kind::PublicationLost => {
            "It was committed, and nobody has heard of it: neither read models nor other contexts."
        }
        Kind::DocumentBehind => "The document lacks events, and reads show what was before them.",
        Kind::DocumentBent => "The document says something that its events do not say.",
        Kind::DocumentAhead => {
            "The document knows of events that its stream does not have: they are lost, or it is damaged."
        }
        Kind::DocumentUnreadable => "The document is damaged, and cannot be read.",
        Kind::DocumentWithoutStream => "The document knows of a stream of which nothing is there: its events are lost.",
        Kind::TotalOff => "Reports over this collection are wrong by a fixed amount.",
        Kind::EventWithoutOperation => {
            "The command was carried out, and its sender is not told so; sent again, it would be carried out twice."
        }
        Kind::OperationDiffers => "The command was carried out, and its sender is told something else.",
        Kind::OperationWithoutEvents => {
            "The sender is told that the command was carried out, and what it did is not there."
        }
        Kind::ClaimMissing => "Another aggregate could take a value that is this one's alone.",
        Kind::ClaimWithoutOwner => "A value is taken that nobody has, and nobody can take it.",
        Kind::TimerLost => "What was to happen at that time will not happen.",
        Kind::TimerOverdue => "What was to happen at that time has not happened yet.",
        Kind::CommandLost => "What was to follow from this event has not happened.",
        Kind::RefusalUntold => "A context still waits for a command that was refused.",
        Kind::ParkedLost => "The command waits for a person, and no person can see it.",
        Kind::ParkedForgotten => "The command waits for a person, and nobody has come.",
        Kind::ResubmissionUnsent => "Somebody resubmitted it, and it is not on its way.",
        Kind::RetryForgotten => "The sender is told that the command is retried, and nobody tries it.",
    }
}

/// What mends it.
pub(crate) fn action(finding: &Finding) -> Action {
    match finding.kind {
        Kind::CommitMissing | Kind::CommitUnreadable | Kind::DocumentWithoutStream => Action::Restore,
        Kind::PublicationLost => Action::PublishAgain,
        Kind::DocumentBehind | Kind::DocumentBent | Kind::DocumentAhead | Kind::DocumentUnreadable => {
            Action::ProjectAgain
        }
        Kind::TotalOff => Action::CountAnew,
        Kind::OperationDiffers if ["another command", "twice"].iter().any(|told| finding.actual.contains(told)) => {
            Action::Settle
        }
        Kind::EventWithoutOperation | Kind::OperationDiffers => Action::WriteOutcome,
        Kind::OperationWithoutEvents => Action::GiveUp,
        Kind::ClaimMissing if finding.actual.starts_with("it is claimed for") => Action::Settle,
        Kind::ClaimMissing => Action::ClaimAgain,
        Kind::ClaimWithoutOwner => Action::Release,
        Kind::TimerLost => Action::SetTimerAgain,
        Kind::TimerOverdue | Kind::CommandLost => Action::HandIn,
        Kind::RefusalUntold => Action::TellAgain,
        Kind::ParkedLost => Action::Reopen,
        Kind::ParkedForgotten => Action::Decide,
        Kind::ResubmissionUnsent => Action::Redrive,
        Kind::RetryForgotten => Action::SendAgain,
    }
}
