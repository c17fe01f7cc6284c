//! Commands of tenants' own queues whose outcome nobody has reported in time: they are parked, so that an operator sees them.

use kernel::command::Header;
use kernel::ids::OWN;
use kernel::operation::Status;
use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::telemetry::metric;
use recovery::summary::{self, Cause};
use store::StoreError;
use store::operations::OperationRecord;
use store::parked::{ParkResult, Parked, ParkedMessage};

/// What the operator reads.
const LATE: &str =
    "the consumer of the tenant's own queue has not reported the command's outcome in the time that the tenant sets";

/// Parks the command of this header, unless it has its outcome. `body` is the message of its queue.
pub(crate) async fn park(parked: &Parked, header: Header, body: String, now: Timestamp) -> Result<(), StoreError> {
    let cause =
        Cause { reason: Reason::Unreported, error: LATE.to_owned(), attempts: 0, first_failed_at: now, parked_at: now };
    let message = ParkedMessage::new(summary::of_command(OWN, &header, cause), body);
    let detail = "its pipeline has not reported in time what became of it, and an operator is told";
    let record = OperationRecord {
        outcome: Status::Parked,
        problem: Some(Problem::parked(detail).to_json()),
        ..OperationRecord::headed(header.clone(), OWN, now)
    };
    if parked.park_command(&message, &record).await? == ParkResult::Parked {
        metrics::counter!(metric::UNREPORTED).increment(1);
        let Header { tenant, receipt, .. } = &header;
        tracing::error!(operation = %receipt, command_key = %receipt.command_key, %tenant, context = OWN, "unreported");
    }
    Ok(())
}
