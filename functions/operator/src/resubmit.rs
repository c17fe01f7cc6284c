//! Sending parked messages back, as they are or repaired.
//!
//! First the message is taken, in a transaction with its operation: from then on nobody else can act on it, and the
//! version that failed cannot run any more. Then it is sent, and then that is noted. If this function ends in between,
//! the scheduled redrive finds what was taken and not sent, and sends it.

use std::collections::{BTreeMap, BTreeSet};

use kernel::command::{Command, Header, Repair};
use kernel::ids::TenantId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::object;
use lambda::telemetry::{chain, metric};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use messaging::command_queue::MAX_MESSAGE_BYTES;
use recovery::{resubmission, send_back};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use store::parked::{OperatorAction, ParkedMessage, Stage};

use crate::done::{Done, answer_all};
use crate::refusal::not_done;
use crate::{Desk, body, side_by_side};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resubmission {
    /// What the data becomes; absent: it stays.
    #[serde(default, deserialize_with = "given")]
    data: Option<Box<RawValue>>,
    #[serde(default)]
    reason: Option<String>,
}

/// `null` is data as well, and not the absence of it.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resubmissions {
    ids: Vec<String>,
    #[serde(default)]
    reason: Option<String>,
}

/// What is said of messages that were taken and not sent.
const LATE: &str = "it is resubmitted, and will be sent within minutes; wait for that before you resubmit others";

impl Desk {
    /// `POST /parked/{id}/resubmit`
    pub(crate) async fn resubmit(&self, operator: &Operator, id: &str, request: &Request, now: Timestamp) -> Answer {
        let Resubmission { data, reason } = object(request)?;
        let reason = body::reason(reason)?;
        let by = operator.signature();
        let decision = OperatorAction { by: &by, reason: reason.as_deref(), at: now };
        let taken = self.take(operator, id, data.as_deref(), decision).await?;
        let operation = taken.summary.operation.clone();
        self.send(vec![taken]).await;
        Ok(json(StatusCode::ACCEPTED, &Done { id, stage: Stage::Resubmitted, operation }))
    }

    /// `POST /parked/resubmit`: each is taken by itself; what was taken is sent together, in order per stream.
    pub(crate) async fn resubmit_all(&self, operator: &Operator, request: &Request, now: Timestamp) -> Answer {
        let Resubmissions { ids, reason } = object(request)?;
        body::check_ids(&ids)?;
        let reason = body::reason(reason)?;
        let by = operator.signature();
        let decision = OperatorAction { by: &by, reason: reason.as_deref(), at: now };
        let taking = ids.iter().map(|id| self.take(operator, id, None, decision)).collect();
        let (mut taken, mut outcomes) = (Vec::new(), Vec::new());
        for result in side_by_side(taking).await {
            outcomes.push(result.map(|message| {
                let queue = message.summary.queue.clone();
                taken.push(message);
                queue
            }));
        }
        let late = self.send(taken).await;
        // An operator who goes on with the next hundred now would send those before these.
        let sent = |queue: String| if late.contains(&queue) { Err(Problem::unavailable(LATE).into()) } else { Ok(()) };
        let outcomes = outcomes.into_iter().map(|outcome| outcome.and_then(sent)).collect();
        Ok(answer_all(ids, outcomes, StatusCode::ACCEPTED))
    }

    /// Claims a waiting message for this operator, in its next revision.
    async fn take(
        &self,
        operator: &Operator,
        id: &str,
        repair: Option<&RawValue>,
        decision: OperatorAction<'_>,
    ) -> Result<ParkedMessage, Refusal> {
        let parking = self.waiting(operator, id).await?;
        let parked = &parking.message;
        let queue = &parked.summary.queue;
        match self.queues.get(queue) {
            Some(Some(_)) => {}
            Some(None) => {
                let detail =
                    "it went to a queue of the tenant's own: have its consumer report what became of it, or discard it";
                return Err(Problem::not_repairable(detail).into());
            }
            None => {
                tracing::error!(queue, "no queue of that name is configured");
                return Err(Problem::unavailable(format!("there is no queue called {queue} now")).into());
            }
        }
        if let Some(data) = repair {
            self.check_repair(parked, data.get()).await?;
        }
        let repair = repair.map(|data| Repair { data: data.to_owned(), by: &operator.principal });
        let repaired = repair.is_some();
        let message = next_revision(parked, repair)?;
        let taken = self.parked.resubmit(parked, message, repaired, decision).await.map_err(not_done)?;
        let summary = &taken.summary;
        metrics::counter!(metric::RESUBMITTED, "Context" => parking.context()).increment(1);
        tracing::info!(
            parked = id,
            operation = summary.operation,
            message_tenant = summary.tenant.as_ref().map(TenantId::as_str),
            queue = summary.queue,
            revision = summary.revision,
            repaired,
            "resubmitted"
        );
        Ok(taken)
    }

    /// Whether the command may have this data: its size is looked at before anything else is.
    async fn check_repair(&self, parked: &ParkedMessage, data: &str) -> Result<(), Refusal> {
        if data.len() > MAX_MESSAGE_BYTES {
            return Err(too_large().into());
        }
        if resubmission::command(parked).is_none() {
            return Err(Problem::not_repairable(
                "this build reads no command in it, so there is no data to replace; resubmit it as it is, or discard it",
            )
            .into());
        }
        let schemas = self.repair_schemas(parked).await?.ok_or_else(|| {
            Problem::not_repairable("this build has no schema to check the data by; resubmit it as it is")
        })?;
        Ok(schemas.check(data)?)
    }

    /// Sends what was taken, and notes it. Gives the queues that do not take it now; the scheduled redrive will find what
    /// was for them.
    async fn send(&self, taken: Vec<ParkedMessage>) -> BTreeSet<String> {
        let mut late = BTreeSet::new();
        let mut by_queue: BTreeMap<String, Vec<ParkedMessage>> = BTreeMap::new();
        for message in taken {
            by_queue.entry(message.summary.queue.clone()).or_default().push(message);
        }
        for (queue, mut messages) in by_queue {
            // As they were accepted: that is their order in their streams.
            messages.sort_by(|a, b| a.summary.id.cmp(&b.summary.id));
            let url = self.queues[&queue].as_deref().expect("only what has a queue of ours is taken");
            let returning = messages.iter().map(|message| resubmission::returning(message, url)).collect();
            if let Err(error) = send_back(&self.sqs, url, returning).await {
                let count = messages.len();
                tracing::warn!(queue, count, error = chain(&error), "perhaps not sent; the redrive will send it");
                late.insert(queue);
                continue;
            }
            let noting = messages.iter().map(|message| self.parked.sent(&message.summary)).collect();
            for error in side_by_side(noting).await.into_iter().filter_map(Result::err) {
                tracing::warn!(queue, error = chain(&error), "sent, but not noted; the redrive will send it again");
            }
        }
        late
    }
}

/// Bytes of a revision's number and of who repaired the command: what ingest has taken as it was can be resubmitted.
const WHAT_A_REVISION_ADDS: usize = 512;

/// The message to be sent: a command in its next revision, whether this build can read it or not, for the record of its
/// operation is open to that revision alone; anything else as it is.
fn next_revision(parked: &ParkedMessage, repair: Option<Repair<'_>>) -> Result<String, Problem> {
    let revision = parked.summary.revision + 1;
    let message = if let Some(command) = resubmission::command(parked) {
        Command::revised(command.event, revision, repair)?.to_json()
    } else {
        let revised = resubmission::header(parked).and_then(|_| Header::revised(&parked.message, revision));
        revised.unwrap_or_else(|| parked.message.clone())
    };
    if message.len() > MAX_MESSAGE_BYTES + WHAT_A_REVISION_ADDS { Err(too_large()) } else { Ok(message) }
}

fn too_large() -> Problem {
    Problem::too_large("a command takes at most 256 KiB, with what Waybill adds to it").about("data")
}
