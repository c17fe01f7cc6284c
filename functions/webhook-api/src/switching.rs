//! `POST /webhooks/{id}/off`, `on` and `retry`.

use kernel::timestamp::Timestamp;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::{no_body, object_beside};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use store::webhooks::{Endpoint, EndpointId, Errand, Health, Off, What};

use crate::form::Form;
use crate::refusal::{changed_meanwhile, not_done, nothing_here, resending_already};
use crate::webhook::{Webhook, resending};
use crate::{Asked, Office, TENANT};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchingOff {
    because: Option<Value>,
}

impl Office {
    pub(crate) async fn switch_off(&self, asked: &Asked, id: &EndpointId, request: &Request, now: Timestamp) -> Answer {
        let SwitchingOff { because } = object_beside(request, &[TENANT])?;
        let mut form = Form::default();
        let because = form.line("because", because);
        form.finish()?;

        let mut endpoint = self.find(id).await?;
        let because = because.unwrap_or_else(|| format!("switched off by {}", asked.operator.signature()));
        let off = Off { at: now, because };
        is_there(self.webhooks.switch_off(id, &off).await.map_err(not_done)?)?;
        tracing::info!(endpoint = id.id, "switched off");
        endpoint.off = Some(off);
        Ok(json(StatusCode::OK, &Webhook::of(&endpoint, now)))
    }

    /// All that is held or waits is due; but what is being sent again goes on first, for there is one errand at a time.
    pub(crate) async fn switch_on(&self, id: &EndpointId, request: &Request, now: Timestamp) -> Answer {
        no_body(request, &[TENANT])?;
        let mut endpoint = self.find(id).await?;
        let before = endpoint.errand.clone().filter(|errand| resending(Some(errand)).is_some());
        let errand = before.unwrap_or(RETRY);
        let done = self.webhooks.switch_on(&endpoint, &errand, now).await.map_err(not_done)?;
        self.is_commissioned(id, done, &errand).await?;
        tracing::info!(endpoint = id.id, "switched on");
        self.wake(id).await;
        (endpoint.off, endpoint.not_before, endpoint.health) = (None, None, Health::default());
        endpoint.errand = Some(errand);
        Ok(json(StatusCode::OK, &Webhook::of(&endpoint, now)))
    }

    /// All that is held or waits is due.
    pub(crate) async fn retry(&self, id: &EndpointId, request: &Request, now: Timestamp) -> Answer {
        no_body(request, &[TENANT])?;
        let endpoint = self.send_on_errand(self.find(id).await?, RETRY, now).await?;
        tracing::info!(endpoint = id.id, "retried");
        Ok(json(StatusCode::ACCEPTED, &Webhook::of(&endpoint, now)))
    }

    /// Gives the endpoint as it is then. What is being sent again is not broken off.
    pub(crate) async fn send_on_errand(
        &self,
        mut endpoint: Endpoint,
        errand: Errand,
        now: Timestamp,
    ) -> Result<Endpoint, Refusal> {
        if resending(endpoint.errand.as_ref()).is_some() {
            return Err(resending_already().into());
        }
        let done = self.webhooks.send_on_errand(&endpoint, &errand, now).await.map_err(not_done)?;
        self.is_commissioned(&endpoint.id, done, &errand).await?;
        self.wake(&endpoint.id).await;
        endpoint.errand = Some(errand);
        Ok(endpoint)
    }

    /// Somebody may have removed the endpoint since it was read, or sent it on another errand; or this was done, and its answer
    /// lost.
    async fn is_commissioned(&self, id: &EndpointId, done: bool, errand: &Errand) -> Result<(), Refusal> {
        if done || self.find(id).await?.errand.as_ref() == Some(errand) {
            return Ok(());
        }
        Err(changed_meanwhile().into())
    }
}

/// What is held or waits is due.
const RETRY: Errand = Errand { what: What::Retry, behind: None };

/// Somebody may have removed it since it was read.
fn is_there(is_there: bool) -> Result<(), Refusal> {
    if is_there { Ok(()) } else { Err(nothing_here().into()) }
}
