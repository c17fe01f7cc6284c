//! `GET /operations/{id}`: how a command is doing.

use kernel::operation::{Operation, Status};
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Caller;
use lambda::http::{json, set};
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use lambda_http::http::header::RETRY_AFTER;

use crate::{Answer, Query, nothing_here};

impl Query {
    /// The record, or `accepted` for a genuine receipt that has none yet. Unknown, forged, foreign and long past are
    /// the same 404.
    pub(crate) async fn operation(&self, caller: &Caller, id: &str, parameters: &Parameters, now: Timestamp) -> Answer {
        parameters.expect_only(&[])?;
        let opened = self.receipts.open(&caller.tenant, id).await.map_err(|_| cannot_be_told())?;
        let receipt = opened.ok_or_else(nothing_here)?;
        tracing::Span::current().record("operation", id);
        let operation = match self.operations.find(&caller.tenant, receipt.command_key).await? {
            Some(record) => record.seen_by(&receipt, &self.public_url),
            None if receipt.accepted_at.plus(self.retention) < now => return Err(nothing_here().into()),
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

/// Without keys a genuine id looks like a forged one.
fn cannot_be_told() -> Problem {
    Problem::unavailable("this cannot be read now; try again")
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
