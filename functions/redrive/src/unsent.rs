//! Messages that an operator has resubmitted, and that a crash has kept from being sent.

use kernel::timestamp::Timestamp;
use recovery::{resubmission, send_back};

use crate::{Redrive, RunError, WayBack};

/// For a minute after a resubmission, the operator function may still be sending the message.
const GRACE_MILLIS: u64 = 60_000;
/// At most so many a run; they are few.
const MOST: i32 = 100;

impl Redrive {
    /// Sends what is marked as unsent, in order per stream.
    pub(crate) async fn send_unsent(&self, way: &WayBack, now: Timestamp) -> Result<(), RunError> {
        let before = Timestamp::from_millis(now.millis().saturating_sub(GRACE_MILLIS));
        let mut unsent = self.parked.unsent(&way.name, before, MOST).await?;
        if unsent.is_empty() {
            return Ok(());
        }
        // As they were accepted: that is their order in their streams.
        unsent.sort_by(|one, other| one.summary.id.cmp(&other.summary.id));
        let returning = unsent.iter().map(|message| resubmission::returning(message, &way.queue_url)).collect();
        send_back(&self.sqs, &way.queue_url, returning).await?;
        for message in unsent {
            self.parked.sent(&message.summary).await?;
            tracing::warn!(queue = way.name, id = message.summary.id, "sent what was resubmitted and left unsent");
        }
        Ok(())
    }
}
