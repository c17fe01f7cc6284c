//! What a run did, each dead letter counted once.

use std::collections::HashSet;

use kernel::timestamp::Timestamp;

use crate::QueueReport;
use crate::triage::Letter;

/// What was done with a dead letter; in a dry run, what would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Redriven,
    BehindCanary,
    Parked,
    Settled,
    Waiting,
}

pub(crate) struct Tally {
    /// What came later is not counted.
    began: Timestamp,
    /// Message ids. What was done with a letter first counts: a canary that has its outcome later in the run was redriven,
    /// and not settled as well.
    counted: HashSet<String>,
    report: QueueReport,
}

impl Tally {
    pub fn new(name: &str, began: Timestamp) -> Self {
        let report = QueueReport { name: name.to_owned(), ..QueueReport::default() };
        Self { began, counted: HashSet::new(), report }
    }

    pub fn found(&mut self, found: u64) {
        self.report.found = found;
    }

    pub fn count<'a>(&mut self, fate: Fate, letters: impl IntoIterator<Item = &'a Letter>) {
        for letter in letters {
            if letter.dead.sent_at > self.began || !self.counted.insert(letter.dead.message_id.clone()) {
                continue;
            }
            *match fate {
                Fate::Redriven => &mut self.report.redriven,
                Fate::BehindCanary => &mut self.report.behind_canary,
                Fate::Parked => &mut self.report.parked,
                Fate::Settled => &mut self.report.settled,
                Fate::Waiting => &mut self.report.waiting,
            } += 1;
        }
    }

    pub fn redriven(&self) -> u64 {
        self.report.redriven
    }

    /// The numbers add up to what was found: SQS's number is about right, and a run does not get to everything.
    pub fn report(self) -> QueueReport {
        let looked_at = self.counted.len() as u64;
        let found = self.report.found.max(looked_at);
        QueueReport { found, unseen: found - looked_at, ..self.report }
    }
}
