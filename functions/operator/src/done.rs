//! What is answered to what was done.

use kernel::problem::Problem;
use kernel::receipt::Receipt;
use lambda::http::json;
use lambda::refusal::Refusal;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use schemars::JsonSchema;
use serde::Serialize;
use store::parked::Stage;

use crate::parking::ParkingId;

/// Something was done with one message.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedDone", deny_unknown_fields)]
pub(crate) struct Done<'a> {
    #[schemars(with = "ParkingId")]
    pub id: &'a str,
    pub stage: Stage,
    /// What the command's sender follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Receipt>")]
    pub operation: Option<String>,
}

/// What became of many messages, in their order.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct GroupDone {
    results: Vec<Outcome>,
}

/// What became of one of the messages.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GroupResult", deny_unknown_fields)]
struct Outcome {
    id: String,
    /// 200 or 202 where it is done; else that of the problem.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// What became of each, in their order: `done` of those that all went well with.
pub(crate) fn answer_all(ids: Vec<String>, outcomes: Vec<Result<(), Refusal>>, done: StatusCode) -> Response<Body> {
    let outcome = |(id, outcome): (String, Result<(), Refusal>)| {
        let problem = outcome.err().map(Refusal::into_problem);
        Outcome { id, status: problem.as_ref().map_or(done.as_u16(), |problem| problem.status), problem }
    };
    json(StatusCode::OK, &GroupDone { results: ids.into_iter().zip(outcomes).map(outcome).collect() })
}
