//! `POST /webhooks`: a new endpoint.

use std::time::Duration;

use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::http::{json, set};
use lambda::refusal::Answer;
use lambda::request::object_beside;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LOCATION;
use schemars::JsonSchema;
use serde::Serialize;
use store::webhooks::EndpointId;

use crate::form::Form;
use crate::refusal::not_done;
use crate::secrets::new_secret;
use crate::webhook::Webhook;
use crate::wish::{Described, Wish};
use crate::{Asked, Office, TENANT};

/// Endpoints that a tenant may have. Each event is looked at for each of them, and they are listed in one answer. Two requests
/// at once may make one more.
const MOST_ENDPOINTS: usize = 50;

/// How long before its registration an endpoint's first events may be, if nothing else is said: clocks differ, and what is
/// committed from now on must not be taken for older.
const CLOCKS_DIFFER: Duration = Duration::from_mins(1);

/// An endpoint as it was registered, with what its deliveries are signed by.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegisteredWebhook")]
pub(crate) struct Registered<'a> {
    #[serde(flatten)]
    webhook: Webhook<'a>,
    /// `whsec_` and base64. It is told this once.
    #[schemars(regex(pattern = "^whsec_[A-Za-z0-9+/]+={0,2}$"))]
    secret: String,
}

impl Office {
    pub(crate) async fn register(&self, asked: &Asked, request: &Request, now: Timestamp) -> Answer {
        let mut described: Described = object_beside(request, &[TENANT])?;
        let mut form = Form::default();
        let since = form.time("since", described.since.take());
        if since.is_some_and(|since| since > now) {
            form.complain("/since".to_owned(), "must not be in the future: switch the webhook off until then");
        }
        let secret = form.secret("secret", described.secret.take());
        let wish = Wish::read(described, &mut form, &self.destinations);
        form.finish()?;

        if self.webhooks.endpoints(&asked.tenant).await?.len() >= MOST_ENDPOINTS {
            let told = format!("the tenant has {MOST_ENDPOINTS} webhooks, and may have no more; remove one first");
            return Err(Problem::conflict(told).into());
        }
        let secret = secret.map_or_else(new_secret, Ok)?;
        let settings = wish.with(vec![secret.clone()], since.unwrap_or_else(|| now.minus(CLOCKS_DIFFER)));
        let id = EndpointId::draw(asked.tenant.clone());
        let endpoint = self.webhooks.create(&id, &settings, now).await.map_err(not_done)?;
        tracing::info!(endpoint = id.id, "registered");
        self.wake(&id).await;

        let registered = Registered { webhook: Webhook::of(&endpoint, now), secret: secret.expose() };
        let mut answer = json(StatusCode::CREATED, &registered);
        set(&mut answer, LOCATION, &self.location(asked, &id));
        Ok(answer)
    }

    /// Where this operator finds the endpoint.
    fn location(&self, asked: &Asked, id: &EndpointId) -> String {
        let whose = if asked.operator.tenant.is_some() { String::new() } else { format!("?{TENANT}={}", id.tenant) };
        format!("{}/webhooks/{}{whose}", self.public_url, id.id)
    }
}
