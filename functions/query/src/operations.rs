//! `GET /operations/{id}`: how a command is doing.

use kernel::operation::{LONGEST_WAY, Operation, Status};
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Caller;
use lambda::http::{json, set};
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use lambda_http::http::header::RETRY_AFTER;

use crate::{Answer, Query, nothing_here};

impl Query {
    /// What the record tells; `accepted` for a genuine receipt of which none tells yet, as long as its command can be on
    /// its way. Unknown, forged, foreign and long past are the same 404. So nothing final is ever taken back.
    pub(crate) async fn operation(&self, caller: &Caller, id: &str, parameters: &Parameters, now: Timestamp) -> Answer {
        parameters.expect_only(&[])?;
        // Without keys a genuine id looks like a forged one.
        let opened = self.receipts.open(&caller.tenant, id).await.map_err(|none| Problem::from(&none))?;
        let receipt = opened.ok_or_else(nothing_here)?;
        tracing::Span::current().record("operation", id);
        let record = self.operations.find(&caller.tenant, receipt.command_key).await?;
        let operation = match record.filter(|record| record.tells_of(&receipt)) {
            Some(record) => record.seen_by(&receipt, &self.public_url),
            None if receipt.accepted_at.plus(LONGEST_WAY) < now => return Err(nothing_here().into()),
            None => Operation::accepted(id, receipt.accepted_at),
        };
        let body = serde_json::to_string(&operation).expect("an operation has string keys");
        let mut answer = json(StatusCode::OK, "application/json", body);
        if let Some(seconds) = ask_again(operation.status) {
            set(&mut answer, RETRY_AFTER, seconds);
        }
        Ok(answer)
    }
}

/// Seconds until something may have changed.
fn ask_again(status: Status) -> Option<&'static str> {
    match status {
        Status::Succeeded | Status::Rejected | Status::Discarded => None,
        Status::Accepted => Some("1"),
        Status::Retrying => Some("10"),
        Status::Parked => Some("60"), // a person is at it
    }
}
