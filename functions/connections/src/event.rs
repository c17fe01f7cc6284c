//! Events: what the gateway invokes this function with.

use std::collections::HashMap;

use kernel::ids::TenantId;
use kernel::principal::Principal;
use kernel::ticket::Ticket;
use kernel::timestamp::Timestamp;
use lambda::caller::Caller;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An event.
#[derive(Debug)]
pub enum Event {
    /// A request of the HTTP API, which goes through [`lambda::gateway`].
    Http,
    /// Whether a connection may be opened.
    Asked(Asked),
    /// Something has happened to a connection that was opened with a ticket.
    Socket(Moment, Connection),
}

/// What the authorizer is asked.
#[derive(Debug)]
pub struct Asked {
    /// What is to be allowed or denied.
    pub method_arn: String,
    /// The ticket, as it stands in the query.
    pub ticket: String,
}

/// What has happened to a connection.
#[derive(Debug)]
pub enum Moment {
    Connect,
    /// A frame.
    Message(String),
    Disconnect,
}

/// A connection, and who has opened it: what the authorizer has said.
#[derive(Debug, Clone)]
pub struct Connection {
    pub id: String,
    pub holder: Holder,
}

/// Who holds a connection. The gateway keeps it as texts, and hands it on with every frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Holder {
    /// The ticket's number.
    pub ticket: String,
    pub tenant: TenantId,
    /// As its text: `user:ID`.
    pub principal: String,
    /// `true` or `false`.
    pub may_submit: String,
    /// When the ticket expires, in milliseconds since 1970.
    pub expires_at: String,
    /// When the connection must end, in milliseconds since 1970.
    pub until: String,
}

impl From<Ticket> for Holder {
    fn from(ticket: Ticket) -> Self {
        Self {
            ticket: ticket.number(),
            tenant: ticket.tenant,
            principal: ticket.principal.to_string(),
            may_submit: ticket.may_submit.to_string(),
            expires_at: ticket.expires_at.millis().to_string(),
            until: ticket.until.millis().to_string(),
        }
    }
}

impl Holder {
    pub fn caller(&self) -> Caller {
        Caller { tenant: self.tenant.clone(), principal: Principal::read(&self.principal) }
    }

    pub fn may_submit(&self) -> bool {
        self.may_submit == "true"
    }

    pub fn until(&self) -> Timestamp {
        millis(&self.until)
    }

    pub fn expires_at(&self) -> Timestamp {
        millis(&self.expires_at)
    }
}

/// The beginning of all time, of a text that is no number: so nothing is open for ever.
fn millis(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse().unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    /// Of an authorizer's question alone.
    #[serde(rename = "type", default)]
    ty: Option<String>,
    #[serde(default)]
    method_arn: String,
    #[serde(default)]
    query_string_parameters: Option<HashMap<String, String>>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    /// Of a request of the HTTP API alone.
    #[serde(default)]
    http: Option<Map<String, Value>>,
    #[serde(default)]
    event_type: String,
    #[serde(default)]
    connection_id: String,
    #[serde(default)]
    authorizer: Option<Value>,
}

impl Event {
    /// Reads an event.
    pub fn read(event: &str) -> Result<Self, serde_json::Error> {
        let raw: Raw = serde_json::from_str(event)?;
        let context = raw.request_context;
        if context.http.is_some() {
            return Ok(Self::Http);
        }
        if raw.ty.as_deref() == Some("REQUEST") {
            let ticket = raw.query_string_parameters.unwrap_or_default().remove("ticket").unwrap_or_default();
            return Ok(Self::Asked(Asked { method_arn: raw.method_arn, ticket }));
        }
        let moment = match context.event_type.as_str() {
            "CONNECT" => Moment::Connect,
            "MESSAGE" => Moment::Message(raw.body.unwrap_or_default()),
            "DISCONNECT" => Moment::Disconnect,
            other => return Err(serde_json::Error::custom(format!("no event is of the type {other:?}"))),
        };
        let holder = Holder::deserialize(context.authorizer.unwrap_or_default())?;
        Ok(Self::Socket(moment, Connection { id: context.connection_id, holder }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A frame, as API Gateway hands it over.
    const FRAME: &str = include_str!("../../../events/aws/connections.json");

    fn event(ty: &str) -> String {
        FRAME.replace("\"MESSAGE\"", &format!("\"{ty}\""))
    }

    #[test]
    fn events_are_told_apart() {
        let http = include_str!("../../../events/aws/ingest.json");
        assert!(matches!(Event::read(http), Ok(Event::Http)));

        let asked = json!({
            "type": "REQUEST", "methodArn": "arn:…/live/$connect", "queryStringParameters": { "ticket": "abc" },
            "requestContext": { "eventType": "CONNECT", "connectionId": "c=" },
        });
        let Ok(Event::Asked(asked)) = Event::read(&asked.to_string()) else { panic!("a question") };
        assert_eq!((asked.method_arn.as_str(), asked.ticket.as_str()), ("arn:…/live/$connect", "abc"));

        let Ok(Event::Socket(Moment::Message(text), connection)) = Event::read(FRAME) else { panic!("a frame") };
        assert_eq!((text.as_str(), connection.id.as_str()), (r#"{"action":"ping","id":"1"}"#, "dE1bqcKkliACIBQ="));
        assert_eq!(connection.holder.caller().principal.to_string(), "client:5h4k2j9s8d7f6g5h4j3k2l1m0n");
        assert!(connection.holder.may_submit() && connection.holder.until().millis() == 1_768_473_000_000);
        assert!(matches!(Event::read(&event("CONNECT")), Ok(Event::Socket(Moment::Connect, _))));
        assert!(matches!(Event::read(&event("DISCONNECT")), Ok(Event::Socket(Moment::Disconnect, _))));
        assert!(Event::read(&event("OTHER")).is_err());
    }

    #[test]
    fn nobody_is_let_in_whom_no_authorizer_has_seen() {
        for authorizer in [Value::Null, json!({}), json!({ "tenant": "acme" })] {
            let context = json!({ "eventType": "MESSAGE", "connectionId": "c", "authorizer": authorizer });
            assert!(Event::read(&json!({ "requestContext": context, "body": "{}" }).to_string()).is_err());
        }
    }
}
