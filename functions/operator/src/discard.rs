//! Giving parked messages up, for a reason that the sender is told.

use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::object;
use lambda::telemetry::metric;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use serde::Deserialize;
use store::parked::{OperatorAction, Stage};

use crate::done::{Done, answer_all};
use crate::refusal::not_done;
use crate::{Desk, body, side_by_side};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Discarding {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Discardings {
    ids: Vec<String>,
    #[serde(default)]
    reason: Option<String>,
}

impl Desk {
    /// `POST /parked/{id}/discard`
    pub(crate) async fn discard(&self, operator: &Operator, id: &str, request: &Request, now: Timestamp) -> Answer {
        let Discarding { reason } = object(request)?;
        let reason = body::some_reason(reason)?;
        let by = operator.signature();
        let decision = OperatorAction { by: &by, reason: Some(&reason), at: now };
        let operation = self.discard_one(operator, id, decision).await?;
        Ok(json(StatusCode::OK, &Done { id, stage: Stage::Discarded, operation }))
    }

    /// `POST /parked/discard`: each by itself.
    pub(crate) async fn discard_all(&self, operator: &Operator, request: &Request, now: Timestamp) -> Answer {
        let Discardings { ids, reason } = object(request)?;
        body::check_ids(&ids)?;
        let reason = body::some_reason(reason)?;
        let by = operator.signature();
        let decision = OperatorAction { by: &by, reason: Some(&reason), at: now };
        let discarding = ids.iter().map(|id| self.discard_one(operator, id, decision)).collect();
        let outcomes = side_by_side(discarding).await.into_iter().map(|outcome| outcome.map(drop)).collect();
        Ok(answer_all(ids, outcomes, StatusCode::OK))
    }

    /// Gives the operation that ends by it, if there is one.
    async fn discard_one(
        &self,
        operator: &Operator,
        id: &str,
        decision: OperatorAction<'_>,
    ) -> Result<Option<String>, Refusal> {
        let parking = self.waiting(operator, id).await?;
        let expires_at = decision.at.plus(self.retention).seconds();
        self.parked.discard(&parking.message, decision, expires_at).await.map_err(not_done)?;
        let summary = &parking.message.summary;
        metrics::counter!(metric::DISCARDED, "Context" => parking.context()).increment(1);
        tracing::info!(
            parked = id,
            operation = summary.operation,
            message_tenant = summary.tenant.as_ref().map(TenantId::as_str),
            queue = summary.queue,
            revision = summary.revision,
            "discarded"
        );
        Ok(summary.operation.clone())
    }
}
