//! Queue messages in which this build finds no command: sent by somebody else than ingest, or by the ingest of a release
//! that this build knows nothing of.

use kernel::command::{Header, NotACommand};
use kernel::operation::Status;
use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::clock::Clock;
use lambda::telemetry::{chain, chain_in_full, metric};
use recovery::batch::{OUT_OF_TIME, Received};
use recovery::summary::{self, Cause};
use store::StoreError;
use store::operations::OperationRecord;
use store::parked::{ParkResult, ParkedMessage};
use tokio::time::{Instant, timeout_at};
use tracing::field::display;

use crate::CommandHandler;

/// A queue message that cannot be handled, and why.
pub(crate) struct Stranger {
    pub received: Received,
    pub why: NotACommand,
}

impl Stranger {
    fn parked_message(&self, header: Option<&Header>, context: &str, now: Timestamp) -> ParkedMessage {
        let Self { received, why } = self;
        let reason = if header.is_some() { Reason::Unreadable } else { Reason::NotACommand };
        let cause = Cause::of(reason, chain_in_full(why), &received.failure, now);
        let summary = match header {
            Some(header) => summary::of_command(context, header, cause),
            None => summary::of_stranger(context, (received.sent_at.unwrap_or(now), &received.message_id), cause),
        };
        ParkedMessage::new(summary, received.body.clone())
    }
}

impl CommandHandler {
    /// Parks it. Gives it back with the error if that did not work.
    pub(crate) async fn set_aside(
        &self,
        stranger: Stranger,
        clock: Clock,
        finish_by: Instant,
    ) -> Option<(Received, String)> {
        let now = clock.now();
        let header = Header::read(&stranger.received.body);
        let message = stranger.parked_message(header.as_ref(), self.context.name, now);
        let Stranger { received, why } = stranger;
        let message_id = &received.message_id;
        let operation = message.summary.operation.as_deref();
        let tenant = message.summary.tenant.as_ref().map(display);
        let stream =
            header.as_ref().and_then(|header| header.stream(self.context.name)).map(|stream| stream.pseudonym());
        let error = match timeout_at(finish_by, self.park(&message, header, now)).await {
            Ok(Ok(parking)) => {
                let metric = if parking == ParkResult::Parked { metric::PARKED } else { metric::DUPLICATES };
                metrics::counter!(metric, "Context" => self.context.name).increment(1);
                tracing::warn!(
                    message_id,
                    operation,
                    tenant,
                    stream,
                    %why,
                    ?parking,
                    "not a command to this build"
                );
                return None;
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => OUT_OF_TIME.to_owned(),
        };
        tracing::error!(message_id, operation, tenant, stream, error, "not parked");
        Some((received, format!("{}; and it could not be parked: {error}", chain_in_full(&why))))
    }

    /// With its operation, if the message says which it is: whoever follows it must not read `accepted` for ever.
    async fn park(
        &self,
        message: &ParkedMessage,
        header: Option<Header>,
        now: Timestamp,
    ) -> Result<ParkResult, StoreError> {
        let Some(header) = header else { return self.parked.park(message).await.map(|()| ParkResult::Parked) };
        let detail = "this release finds no command in it (unreadable), so it waits for another release or an operator";
        let record = OperationRecord {
            outcome: Status::Parked,
            problem: Some(Problem::parked(detail).to_json()),
            ..OperationRecord::headed(header, self.context.name, now)
        };
        self.parked.park_command_or_keep(message, &record, self.expiry(now)).await
    }
}
