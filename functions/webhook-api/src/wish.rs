//! What an operator says of an endpoint: where its events go, and which. A setting by which nothing could ever be delivered is
//! refused when it is made.

use catalog::CONTEXTS;
use kernel::context::Context;
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::WebhookSecret;
use lambda::web::destinations::Destinations;
use serde::Deserialize;
use serde_json::Value;
use store::webhooks::{EndpointSettings, PayloadKind};

use crate::form::Form;

/// The body of a request, read by [`Wish::read`]: what is wrong with one member keeps no other from being looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Described {
    url: Option<Value>,
    description: Option<Value>,
    types: Option<Value>,
    contexts: Option<Value>,
    payload: Option<Value>,
    /// Only where an endpoint is registered, as is the secret.
    pub since: Option<Value>,
    pub secret: Option<Value>,
}

/// All settings of an endpoint but its secrets, and when it begins.
pub(crate) struct Wish {
    url: String,
    description: Option<String>,
    types: Vec<String>,
    contexts: Vec<String>,
    payload: PayloadKind,
}

impl Wish {
    /// Complains of all that cannot be meant, and gives the rest.
    pub fn read(described: Described, form: &mut Form, destinations: &Destinations) -> Self {
        let Described { url, description, types, contexts, payload, .. } = described;
        let url = form.required("url", url);
        let url = form.text("url", url);
        if let Some(Err(bad)) = url.as_ref().map(|url| destinations.check(url)) {
            form.complain("/url".to_owned(), bad.to_string());
        }
        let description = form.line("description", description);
        let contexts = form.list("contexts", contexts);
        let types = form.list("types", types);
        check(&contexts, &types, form);
        let payload = payload_kind(payload, form);
        Self { url: url.unwrap_or_default(), description, types, contexts, payload }
    }

    pub fn with(self, secrets: Vec<WebhookSecret>, since: Timestamp) -> EndpointSettings {
        let Self { url, description, types, contexts, payload } = self;
        EndpointSettings { url, description, types, contexts, payload, secrets, since }
    }
}

/// Each context and each type must be one that there is, and each type one of the contexts'.
fn check(contexts: &[String], types: &[String], form: &mut Form) {
    for (index, name) in contexts.iter().enumerate() {
        if catalog::context(name).is_none() {
            let known: Vec<_> = CONTEXTS.iter().map(|context| context.name).collect();
            form.complain(format!("/contexts/{index}"), format!("must be one of: {}", known.join(", ")));
        }
    }
    let wanted = |context: &&Context| contexts.is_empty() || contexts.iter().any(|name| name == context.name);
    for (index, ty) in types.iter().enumerate() {
        let mut having = CONTEXTS.iter().filter(|context| context.events().any(|event| event.name == ty)).peekable();
        let wrong = if having.peek().is_none() {
            "no context here has a domain event of this type; GET /schemas lists them"
        } else if !having.any(|context| wanted(&context)) {
            "none of `contexts` has a domain event of this type, so none could ever be sent"
        } else {
            continue;
        };
        form.complain(format!("/types/{index}"), wrong);
    }
}

fn payload_kind(given: Option<Value>, form: &mut Form) -> PayloadKind {
    let Some(given) = given else { return PayloadKind::default() };
    PayloadKind::deserialize(given).unwrap_or_else(|_| {
        form.complain("/payload".to_owned(), "must be one of: full, thin");
        PayloadKind::default()
    })
}
