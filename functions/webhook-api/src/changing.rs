//! `PUT` and `DELETE /webhooks/{id}`.

use kernel::timestamp::Timestamp;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::{Parameters, object_beside};
use lambda_http::http::StatusCode;
use lambda_http::http::header::CACHE_CONTROL;
use lambda_http::{Body, Request, Response};
use store::webhooks::{Endpoint, EndpointId, EndpointSettings};

use crate::form::Form;
use crate::refusal::{changed_meanwhile, not_done};
use crate::webhook::Webhook;
use crate::wish::{Described, Wish};
use crate::{Office, TENANT};

impl Office {
    /// Replaces all settings but the secrets, and when it begins.
    pub(crate) async fn replace(&self, id: &EndpointId, request: &Request, now: Timestamp) -> Answer {
        let described: Described = object_beside(request, &[TENANT])?;
        let mut form = Form::default();
        if described.since.is_some() {
            form.complain("/since".to_owned(), "stays as it was when the webhook was registered");
        }
        if described.secret.is_some() {
            form.complain("/secret".to_owned(), "is replaced by POST and DELETE of the webhook's secrets");
        }
        let wish = Wish::read(described, &mut form, &self.destinations);
        form.finish()?;

        let mut endpoint = self.find(id).await?;
        let settings = wish.with(endpoint.settings.secrets.clone(), endpoint.settings.since);
        self.change(&mut endpoint, settings).await?;
        tracing::info!(endpoint = id.id, "changed");
        Ok(json(StatusCode::OK, &Webhook::of(&endpoint, now)))
    }

    /// It gets nothing any more, and the sender forgets what it has got.
    pub(crate) async fn remove(&self, id: &EndpointId, parameters: &Parameters, now: Timestamp) -> Answer {
        parameters.expect_only(&[TENANT])?;
        self.find(id).await?;
        // If it is gone by now, somebody else has removed it, or this did, and its answer was lost.
        self.webhooks.remove(id, now).await.map_err(not_done)?;
        tracing::info!(endpoint = id.id, "removed");
        self.wake(id).await;
        Ok(no_content())
    }

    /// Replaces the settings of an endpoint as it was read, if they are still the same.
    pub(crate) async fn change(&self, endpoint: &mut Endpoint, settings: EndpointSettings) -> Result<(), Refusal> {
        let changed = self.webhooks.change(endpoint, &settings).await.map_err(not_done)?;
        // After a lost answer the call was repeated, and met its own work.
        if !changed && self.find(&endpoint.id).await?.settings != settings {
            return Err(changed_meanwhile().into());
        }
        endpoint.settings = settings;
        self.wake(&endpoint.id).await;
        Ok(())
    }
}

pub(crate) fn no_content() -> Response<Body> {
    let answer = Response::builder().status(StatusCode::NO_CONTENT).header(CACHE_CONTROL, "no-store");
    answer.body(Body::Empty).expect("constant headers are valid")
}
