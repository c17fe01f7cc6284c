//! A command as ingest queues it.

use kernel::cloud_event::{Builder, CloudEvent};
use kernel::command::{Command, Principal, PrincipalKind};
use kernel::ids::{CommandKey, TenantId};
use kernel::receipt::{Digest, Receipt, ReceiptKeys};
use kernel::timestamp::Timestamp;
use serde_json::Value;

use crate::platform::{PUBLIC_URL, RECEIPT_KEY};

/// The trace that commands come with.
pub const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A command's CloudEvent of any type and version, without subject and data.
pub fn event(context: &str, id: &str, ty: &str, version: u32) -> Builder {
    let schema = format!("{PUBLIC_URL}/schemas/{context}/{ty}/{version}");
    CloudEvent::builder(id, "/tests", ty).dataschema(schema)
}

/// The receipt and the message that ingest makes of the event, which the machine client `shop` sent.
pub fn seal(tenant: &str, event: Builder, at: Timestamp) -> (Receipt, String) {
    seal_with(RECEIPT_KEY, tenant, event, at)
}

/// The same with another key.
pub fn seal_with(key: &str, tenant: &str, event: Builder, at: Timestamp) -> (Receipt, String) {
    let event = event.build().expect("a CloudEvent");
    let data: Value = event.json().map(|json| serde_json::from_str(json).expect("JSON")).unwrap_or_default();
    let tenant = TenantId::parse(tenant).expect("a tenant");
    let command_key = CommandKey::of(&tenant, event.source(), event.id());
    let keys = ReceiptKeys::parse(key).expect("a key");
    let receipt = keys.seal(&tenant, at, command_key, Digest::of(&event, &data));
    let principal = Principal { id: "shop".to_owned(), kind: PrincipalKind::ServiceAccount };
    let context = catalog::context_of_command(event.ty());
    let aggregate_type = context.and_then(|context| context.aggregate_type_of_command(event.ty()));
    let sealed =
        Command::seal(event, &tenant, aggregate_type, &principal, &receipt, Some(TRACEPARENT)).expect("a command");
    (receipt, sealed.to_json())
}
