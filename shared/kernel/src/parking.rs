//! Why messages are parked: what operators group by, and what a tenant may read of it.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

/// Why a message was parked. As text it is in kebab case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The release that got the command could not read it.
    Unreadable,
    /// No command that ingest has accepted.
    NotACommand,
    /// The command's decision panicked.
    Panicked,
    /// The command's decision did not come to an end.
    Hung,
    /// The command's events or its aggregate are too large to be stored or published.
    TooLarge,
    /// One of the command's events cannot be published.
    Unpublishable,
    /// DynamoDB will never take the transaction.
    RefusedByStore,
    /// The message failed as often as it may be sent back.
    AttemptsUsedUp,
    /// The queue would soon have forgotten the message.
    TooOld,
    /// A pipeline of the tenant's own has not said in time what became of the command.
    Unreported,
    /// A reason of another release.
    #[serde(untagged)]
    Other(String),
}

impl Reason {
    /// Reads any text: what this release does not know is of another.
    pub fn of(text: &str) -> Self {
        Self::deserialize(StrDeserializer::<serde::de::value::Error>::new(text)).expect("any text is a reason")
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotACommand => "not-a-command",
            Self::Panicked => "panicked",
            Self::Hung => "hung",
            Self::TooLarge => "too-large",
            Self::Unpublishable => "unpublishable",
            Self::RefusedByStore => "refused-by-store",
            Self::AttemptsUsedUp => "attempts-used-up",
            Self::TooOld => "too-old",
            Self::Unreported => "unreported",
            Self::Other(text) => text,
        }
    }

    /// What happened, in plain words.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Unreadable => "This release cannot read the command",
            Self::NotACommand => "It is not a command that was accepted here",
            Self::Panicked => "The code that decides the command failed",
            Self::Hung => "The code that decides the command did not come to an end",
            Self::TooLarge => "What the command would cause is too large",
            Self::Unpublishable => "What the command would cause cannot be published",
            Self::RefusedByStore => "The database does not take what the command would cause",
            Self::AttemptsUsedUp => "It failed again and again, until its attempts were used up",
            Self::TooOld => "It failed for almost as long as the queue keeps messages",
            Self::Unreported => "The tenant's own pipeline has not reported in time what became of it",
            Self::Other(_) => "It could not be carried out",
        }
    }

    /// Whether the error belongs to the platform: it may name parts of it, so a tenant's operators do not read it. What
    /// another release parked for is not known here, and counts as the platform's.
    pub fn is_of_the_platform(&self) -> bool {
        match self {
            Self::RefusedByStore | Self::AttemptsUsedUp | Self::TooOld | Self::Other(_) => true,
            Self::Unreadable
            | Self::NotACommand
            | Self::Panicked
            | Self::Hung
            | Self::TooLarge
            | Self::Unpublishable
            | Self::Unreported => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// As they are stored and as the API has them.
    const NAMES: [&str; 11] = [
        "unreadable",
        "not-a-command",
        "panicked",
        "hung",
        "too-large",
        "unpublishable",
        "refused-by-store",
        "attempts-used-up",
        "too-old",
        "unreported",
        "of another release",
    ];

    #[test]
    fn a_reason_is_read_as_it_was_written_and_has_a_title_of_its_own() {
        let reasons = NAMES.map(Reason::of);
        for (name, reason) in NAMES.into_iter().zip(&reasons) {
            assert_eq!((json!(reason), reason.to_string().as_str()), (json!(name), name));
            assert_eq!(&serde_json::from_value::<Reason>(json!(name)).expect("a reason"), reason);
        }
        let other: Vec<_> = reasons.iter().filter(|reason| matches!(reason, Reason::Other(_))).collect();
        assert_eq!(other, [&Reason::Other("of another release".to_owned())]);
        assert_eq!(reasons.iter().map(Reason::title).collect::<BTreeSet<_>>().len(), reasons.len());
    }

    #[test]
    fn what_broke_in_the_platform_is_for_those_who_run_it() {
        let hidden: Vec<_> = NAMES.into_iter().filter(|name| Reason::of(name).is_of_the_platform()).collect();
        assert_eq!(hidden, ["refused-by-store", "attempts-used-up", "too-old", "of another release"]);
    }
}
