//! Parking what has used up its attempts.

use kernel::command::Header;
use kernel::operation::Status;
use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use recovery::summary::{self, Cause};
use store::StoreError;
use store::operations::OperationRecord;
use store::parked::{ParkResult, ParkedMessage, Summary};

use crate::triage::{Letter, State};
use crate::{Redrive, WayBack};

impl Redrive {
    /// Parks a dead letter. Says whether it is parked now; if not, it had its outcome already.
    pub(crate) async fn park(&self, way: &WayBack, letter: &Letter, now: Timestamp) -> Result<bool, StoreError> {
        let reason = if letter.state == State::TooOld { Reason::TooOld } else { Reason::AttemptsUsedUp };
        let header = way.context.and_then(|_| Header::read(&letter.dead.body));
        let message =
            ParkedMessage::new(summary(way, letter, header.as_ref(), reason.clone(), now), letter.dead.body.clone());
        let Some(header) = header else {
            self.parked.park(&message).await?;
            tracing::error!(queue = way.name, message_id = letter.dead.message_id, %reason, "parked");
            return Ok(true);
        };
        let detail = format!("it failed again and again ({reason}) and waits for an operator");
        let record = OperationRecord {
            outcome: Status::Parked,
            problem: Some(Problem::parked(detail).to_json()),
            ..OperationRecord::headed(header.clone(), &way.name, now)
        };
        let until = now.plus(self.retention).seconds();
        let parking = self.parked.park_command_or_keep(&message, &record, until).await?;
        if parking == ParkResult::Parked {
            tracing::error!(
                operation = %header.receipt,
                command_key = %header.receipt.command_key,
                tenant = %header.tenant,
                context = way.name,
                stream = header.stream(&way.name).map(|stream| stream.pseudonym()),
                %reason,
                "parked"
            );
        }
        Ok(parking == ParkResult::Parked)
    }
}

/// What is known of a dead letter, if it is parked now. `header` is a command's.
pub(crate) fn summary(
    way: &WayBack,
    letter: &Letter,
    header: Option<&Header>,
    reason: Reason,
    now: Timestamp,
) -> Summary {
    let Letter { dead, attempts, .. } = letter;
    let error = dead.failure.error.clone().unwrap_or_else(|| {
        "no reason is known: the function that handled it ended without an answer; its log may tell".to_owned()
    });
    let first_failed_at = dead.failure.first_failed_at.unwrap_or(dead.sent_at);
    let cause = Cause { reason, error, attempts: *attempts, first_failed_at, parked_at: now };
    let arrived = (dead.sent_at, dead.message_id.as_str());
    match header {
        Some(header) => summary::of_command(&way.name, header, cause),
        None if way.context.is_some() => summary::of_stranger(&way.name, arrived, cause),
        None => summary::of_message(&way.name, arrived, &dead.body, cause),
    }
}
