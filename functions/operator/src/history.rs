//! What was done with a message: `GET /parked/{id}/history`, part by part, and `GET /parked/{id}/revisions/{revision}`, the
//! message as it was before a repair.

use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::json;
use lambda::refusal::Answer;
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use store::parked::{Action, Past, Step, What};

use crate::Desk;
use crate::list::error_for;
use crate::refusal::nothing_here;

/// Of how many revisions a part of the history tells, at most.
const PART: u16 = 20;

/// Something that was done.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedAction", deny_unknown_fields)]
pub(crate) struct Done {
    /// How often the message had been resubmitted before.
    revision: u32,
    at: Timestamp,
    what: What,
    /// The operator: `user:ID` or `client:ID`, and in brackets what their token calls them.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Why: of parking, the group's reason; else the operator's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of an earlier parking: its error.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Whether the data was replaced; `/parked/{id}/revisions/{revision}` has the message before that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repaired: bool,
}

impl Done {
    fn of(step: Step, operator: &Operator) -> Self {
        let Step { revision, action: Action { at, what, by, reason, error, repaired } } = step;
        let parked_for = Reason::of(reason.as_deref().unwrap_or_default());
        let error = error.map(|error| error_for(operator, &parked_for, &error).to_owned());
        Self { revision, at, what, by, reason, error, repaired }
    }
}

/// Part of what was done with a message.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedHistory")]
pub(crate) struct History {
    /// Oldest first.
    history: Vec<Done>,
    /// To be given to `/parked/{id}/history` for what was done before; absent where that is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u32>,
}

impl History {
    /// `lately` follows on the past.
    pub fn of(past: Past, lately: Vec<Step>, operator: &Operator) -> Self {
        let steps = past.steps.into_iter().chain(lately);
        Self { history: steps.map(|step| Done::of(step, operator)).collect(), before: past.before }
    }
}

/// A message as it was before a repair.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedRevision", deny_unknown_fields)]
pub(crate) struct Revision {
    revision: u32,
    /// The queue message, verbatim.
    message: String,
}

impl Desk {
    pub(crate) async fn history(&self, operator: &Operator, id: &str, parameters: &Parameters) -> Answer {
        parameters.expect_only(&["before"])?;
        let before = parameters.number("before")?.map(u32::try_from).transpose();
        let before = before.map_err(|_| Problem::bad_request("before is a revision, as an earlier answer said"))?;
        let parking = self.parking(operator, id).await?;
        let past = self.parked.past(&parking.message.summary, before, PART).await?;
        Ok(json(StatusCode::OK, &History::of(past, Vec::new(), operator)))
    }

    pub(crate) async fn revision(
        &self,
        operator: &Operator,
        id: &str,
        revision: &str,
        parameters: &Parameters,
    ) -> Answer {
        parameters.expect_only(&[])?;
        let revision: u32 = revision.parse().map_err(|_| nothing_here())?;
        let parking = self.parking(operator, id).await?;
        let message = self.parked.before_repair(&parking.message.summary, revision).await?;
        let message = message.ok_or_else(nothing_here)?;
        Ok(json(StatusCode::OK, &Revision { revision, message }))
    }
}
