//! `GET /webhooks` and `GET /webhooks/{id}`.

use kernel::timestamp::Timestamp;
use lambda::http::json;
use lambda::refusal::Answer;
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use store::webhooks::EndpointId;

use crate::webhook::Webhook;
use crate::{Asked, Office, TENANT};

/// A tenant's endpoints, all of them.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Webhooks<'a> {
    items: Vec<Webhook<'a>>,
}

impl Office {
    pub(crate) async fn list(&self, asked: &Asked, parameters: &Parameters, now: Timestamp) -> Answer {
        parameters.expect_only(&[TENANT])?;
        let endpoints = self.webhooks.endpoints(&asked.tenant).await?;
        let items = endpoints.iter().map(|endpoint| Webhook::of(endpoint, now)).collect();
        Ok(json(StatusCode::OK, &Webhooks { items }))
    }

    pub(crate) async fn detail(&self, id: &EndpointId, parameters: &Parameters, now: Timestamp) -> Answer {
        parameters.expect_only(&[TENANT])?;
        let endpoint = self.find(id).await?;
        Ok(json(StatusCode::OK, &Webhook::of(&endpoint, now)))
    }
}
