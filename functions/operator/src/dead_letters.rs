//! `GET /dead-letters`: what lies in the dead-letter queues, for platform operators: a queue's messages belong to many
//! tenants.

use futures_util::future::try_join_all;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use messaging::SendError;
use recovery::{DeadLetters, Depth};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Desk;

/// What lies in the dead-letter queues.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeadLetters", deny_unknown_fields)]
pub(crate) struct AllQueues<'a> {
    queues: Vec<Queue<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeadLetterQueue", deny_unknown_fields)]
struct Queue<'a> {
    name: &'a str,
    /// About how many: SQS does not say exactly.
    waiting: u64,
    /// Being redriven right now.
    in_flight: u64,
    /// When the oldest of the first few came there.
    oldest: Option<Timestamp>,
}

impl Desk {
    pub(crate) async fn dead_letters(&self, operator: &Operator, parameters: &Parameters) -> Answer {
        parameters.expect_only(&[])?;
        if operator.tenant.is_some() {
            return Err(Problem::not_permitted("dead letters are of all tenants, and for platform operators").into());
        }
        let queues = try_join_all(self.dead_letters.iter().map(|(name, letters)| look(name, letters))).await;
        let queues =
            queues.map_err(|error| Refusal::unavailable("the queues cannot be reached now; try again", &error))?;
        Ok(json(StatusCode::OK, &AllQueues { queues }))
    }
}

async fn look<'a>(name: &'a str, letters: &DeadLetters) -> Result<Queue<'a>, SendError> {
    let Depth { visible, in_flight } = letters.depth().await?;
    let oldest = if visible == 0 { None } else { letters.oldest().await? };
    Ok(Queue { name, waiting: visible, in_flight, oldest })
}
