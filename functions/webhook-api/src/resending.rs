//! `POST /webhooks/{id}/resend`: what was sent of a time is sent again.

use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use lambda::http::json;
use lambda::refusal::Answer;
use lambda::request::object_beside;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use store::webhooks::{EndpointId, EndpointSettings, Errand, Span, What};

use crate::form::Form;
use crate::refusal::{not_done, resending_already};
use crate::webhook::{Webhook, resending};
use crate::{Office, TENANT};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resending {
    from: Option<Value>,
    to: Option<Value>,
    stream: Option<Value>,
}

impl Office {
    /// Of one stream, or of all that the endpoint has got.
    pub(crate) async fn resend(&self, id: &EndpointId, request: &Request, now: Timestamp) -> Answer {
        let Resending { from, to, stream } = object_beside(request, &[TENANT])?;
        let mut form = Form::default();
        let from = form.required("from", from);
        let from = form.time("from", from);
        let to = form.time("to", to).unwrap_or(now);
        if from.is_some_and(|from| from > to) {
            form.complain("/from".to_owned(), "must not be after `to`, which is now unless it is given");
        }
        let stream = form.text("stream", stream).and_then(|stream| stream_of(id, &stream, &mut form));
        form.finish()?;

        let mut endpoint = self.find(id).await?;
        let span = Span { from: from.unwrap_or(to), to };
        if let Some(stream) = &stream {
            if !gets_any(&endpoint.settings, stream) {
                let mut form = Form::default();
                form.complain("/stream".to_owned(), "the webhook gets no events of such streams");
                form.finish()?;
            }
            // It would come by this stream as well, and take the time of its own.
            if resending(endpoint.errand.as_ref()).is_some() {
                return Err(resending_already().into());
            }
            self.webhooks.resend(id, stream, span, now).await.map_err(not_done)?;
            self.wake(id).await;
        } else {
            let errand = Errand { what: What::Resend(span), behind: None };
            endpoint = self.send_on_errand(endpoint, errand, now).await?;
        }
        let stream = stream.as_ref().map(StreamId::pseudonym);
        tracing::info!(endpoint = id.id, from = %span.from, to = %span.to, stream, "resent");
        Ok(json(StatusCode::ACCEPTED, &Webhook::of(&endpoint, now)))
    }
}

/// The tenant's stream that is called so without the tenant.
fn stream_of(id: &EndpointId, text: &str, form: &mut Form) -> Option<StreamId> {
    let stream = StreamId::parse(&format!("{}/{text}", id.tenant)).ok();
    let stream = stream.filter(|stream| {
        let context = catalog::context(&stream.context);
        context.is_some_and(|context| context.aggregate_type(stream).is_some())
    });
    if stream.is_none() {
        form.complain(
            "/stream".to_owned(),
            "must be context/id or context/type/id, of a context and a type that there are",
        );
    }
    stream
}

/// Whether there is an event that such a stream can have and that is sent.
fn gets_any(settings: &EndpointSettings, stream: &StreamId) -> bool {
    let aggregate_type = catalog::context(&stream.context).and_then(|context| context.aggregate_type(stream));
    let mut events = aggregate_type.into_iter().flat_map(|ty| ty.events);
    events.any(|event| settings.wants_type(&stream.context, event.name))
}
