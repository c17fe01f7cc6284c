//! What a run is to be like. All else is drawn from its seed.

use std::time::Duration;

use crate::releases::Rollout;

/// A run's seed, size and ills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub commands: usize,
    /// Of a thousand calls to AWS, how many meet a fault.
    pub faults: u32,
    /// Outages, rewinds, poison, reused ids, what queues and topics may do, and clocks that are wrong.
    pub ills: bool,
    /// How often a queue hands a message out before it is a dead letter.
    pub max_receives: u32,
    /// Of a thousand turns, how many go to an aggregate that many write to at once.
    pub hot: u32,
    /// Most faults of transactions are writes that come late, when nobody waits for them any more.
    pub late: bool,
    /// Which guard is switched off.
    pub without: Option<Guard>,
    /// Whether another release of a context is deployed meanwhile, and taken back.
    pub rollout: Option<Rollout>,
    /// Whether verifications go on meanwhile.
    pub verified: bool,
}

/// What keeps effects exact. The simulation must notice when one of them is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// A command's record is written if the command is open.
    Operation,
    /// A commit is written if the stream has none of that number.
    Commit,
    /// A document is written if it is still the one that the new one was made from.
    ReadModel,
    /// A number is claimed if nobody has it.
    Claim,
    /// A counter stays at or above its bound.
    Counter,
    /// The publisher publishes all events of a commit.
    Publish,
    /// Redrive deletes a dead letter after it has sent it.
    SendBeforeDelete,
}

impl Plan {
    pub fn new(seed: u64, commands: usize) -> Self {
        Self {
            seed,
            commands,
            faults: 30,
            ills: true,
            max_receives: 3,
            hot: 250,
            late: false,
            without: None,
            rollout: None,
            verified: true,
        }
    }

    pub fn clean(seed: u64, commands: usize) -> Self {
        Self { faults: 0, ills: false, ..Self::new(seed, commands) }
    }

    /// Of a thousand invocations, how many are to die at one of their calls.
    pub fn deaths(&self) -> u32 {
        self.faults / 2
    }

    /// How many write at the same time.
    pub fn writers(&self) -> usize {
        (self.commands / 100).clamp(1, 64)
    }
}

/// How long a call takes.
pub const LEAST_LATENCY: Duration = Duration::from_millis(1);
pub const MOST_LATENCY: Duration = Duration::from_millis(20);

/// As in `template.yaml`.
pub const VISIBILITY: Duration = Duration::from_mins(3);
pub const RETRIES_VISIBILITY: Duration = Duration::from_mins(6);
pub const SCHEDULE: Duration = Duration::from_mins(5);
/// Shorter than in `template.yaml`, so that batches are given up in a run of hours.
pub const MOST_RECORD_AGE: Duration = Duration::from_mins(20);
/// As long as DynamoDB keeps them.
pub const MOST_NOTIFICATION_AGE: Duration = Duration::from_hours(24);
