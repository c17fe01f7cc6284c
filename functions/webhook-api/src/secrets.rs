//! `POST` and `DELETE /webhooks/{id}/secrets`: one secret takes another's place, and for a while both sign.

use kernel::problem::Problem;
use kernel::webhook_signature::WebhookSecret;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::{Parameters, object_beside};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::webhooks::{EndpointId, EndpointSettings};

use crate::changing::no_content;
use crate::form::Form;
use crate::{Office, TENANT};

/// Secrets that sign at the same time.
const MOST_SECRETS: usize = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adding {
    secret: Option<Value>,
}

/// What deliveries are signed by from now on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookSecret", deny_unknown_fields)]
pub(crate) struct Secret {
    /// `whsec_` and base64. It is told this once.
    #[schemars(regex(pattern = "^whsec_[A-Za-z0-9+/]+={0,2}$"))]
    secret: String,
}

/// A secret that nobody can guess.
pub(crate) fn new_secret() -> Result<WebhookSecret, Refusal> {
    let mut bytes = [0; 32];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|error| Refusal::unavailable("no secret can be made now; try again", &error))?;
    Ok(WebhookSecret::from_random(bytes))
}

impl Office {
    /// The new one signs first.
    pub(crate) async fn add_secret(&self, id: &EndpointId, request: &Request) -> Answer {
        let Adding { secret } = object_beside(request, &[TENANT])?;
        let mut form = Form::default();
        let given = form.secret("secret", secret);
        form.finish()?;

        let mut endpoint = self.find(id).await?;
        let before = &endpoint.settings.secrets;
        if given.as_ref().is_some_and(|given| before.contains(given)) {
            return Err(Problem::conflict("this secret signs already").into());
        }
        if before.len() >= MOST_SECRETS {
            return Err(Problem::conflict("two secrets sign already; DELETE the older one first").into());
        }
        let secret = given.map_or_else(new_secret, Ok)?;
        let secrets = std::iter::once(&secret).chain(before).cloned().collect();
        let settings = EndpointSettings { secrets, ..endpoint.settings.clone() };
        self.change(&mut endpoint, settings).await?;
        tracing::info!(endpoint = id.id, "a secret was added");
        Ok(json(StatusCode::CREATED, &Secret { secret: secret.expose() }))
    }

    /// All but the newest sign no longer.
    pub(crate) async fn remove_secret(&self, id: &EndpointId, parameters: &Parameters) -> Answer {
        parameters.expect_only(&[TENANT])?;
        let mut endpoint = self.find(id).await?;
        let mut settings = endpoint.settings.clone();
        if settings.secrets.len() <= 1 {
            return Err(Problem::conflict("only one secret signs; POST another one first").into());
        }
        settings.secrets.truncate(1);
        self.change(&mut endpoint, settings).await?;
        tracing::info!(endpoint = id.id, "the older secret was removed");
        Ok(no_content())
    }
}
