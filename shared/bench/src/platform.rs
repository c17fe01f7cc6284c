//! Names and settings of an installation in process, as `template.yaml` gives them, and entries of its registry.

use std::time::Duration;

use lambda::settings::Environment;
use messaging::Queues;
use recovery::back_off::MAX_RECEIVES;
use serde_json::{Value, json};
use store::Tables;
use testkit::{Aws, TABLES};

pub const PUBLIC_URL: &str = "https://api.example";
/// The content of [`receipt_secret`].
pub const RECEIPT_KEY: &str = "a-secret-of-at-least-thirty-two-characters";
/// How long a final outcome is kept: 90 days, as `OPERATION_RETENTION_DAYS` says, and the longest way of a repeat.
pub const RETENTION: Duration = Duration::from_hours(24 * (90 + 28));

// Names

pub fn tables() -> Tables {
    Tables {
        events: TABLES.events.to_owned(),
        operations: TABLES.operations.to_owned(),
        parked: TABLES.parked.to_owned(),
        guards: TABLES.guards.to_owned(),
    }
}

/// A context's command queue.
pub fn commands(context: &str) -> String {
    Aws::queue_url(&format!("{context}-commands.fifo"))
}

pub fn dead_commands(context: &str) -> String {
    Aws::queue_url(&format!("{context}-dead-letters.fifo"))
}

/// The read-model updater's queue.
pub fn updates() -> String {
    Aws::queue_url("read-model-updates")
}

pub fn dead_updates() -> String {
    Aws::queue_url("read-model-dead-letters")
}

/// Notifications that the topic could not deliver to [`updates`].
pub fn undelivered() -> String {
    Aws::queue_url("read-model-undelivered")
}

/// The publisher's retries.
pub fn retries() -> String {
    Aws::queue_url("publisher-retries")
}

pub fn dead_retries() -> String {
    Aws::queue_url("publisher-dead-letters")
}

/// The listener's queue.
pub fn heard() -> String {
    Aws::queue_url("listener-updates")
}

pub fn dead_heard() -> String {
    Aws::queue_url("listener-dead-letters")
}

/// The queue of timers.
pub fn timers() -> String {
    Aws::queue_url("timers")
}

pub fn dead_timers() -> String {
    Aws::queue_url("timers-dead-letters")
}

/// The webhook dispatcher's queue.
pub fn dispatched() -> String {
    Aws::queue_url("webhook-dispatcher-updates")
}

pub fn dead_dispatched() -> String {
    Aws::queue_url("webhook-dispatcher-dead-letters")
}

/// The queue of endpoints that must be looked at.
pub fn webhooks() -> String {
    Aws::queue_url("webhooks")
}

pub fn dead_webhooks() -> String {
    Aws::queue_url("webhooks-dead-letters")
}

/// The queue that a partner's topic is subscribed to.
pub fn partner_events() -> String {
    Aws::queue_url("partner-events")
}

pub fn dead_partner_events() -> String {
    Aws::queue_url("partner-events-dead-letters")
}

/// The topic of domain events.
pub fn topic() -> String {
    Aws::topic_arn("events")
}

/// The secret with the keys behind operation ids.
pub fn receipt_secret() -> String {
    Aws::secret_arn("receipt-key")
}

// Settings

/// The settings of all functions, without those of [`own_queue`]. The limits are so high that no test meets them.
pub fn environment() -> Environment {
    Environment::of([
        ("EVENTS_TABLE", TABLES.events),
        ("OPERATIONS_TABLE", TABLES.operations),
        ("PARKED_TABLE", TABLES.parked),
        ("GUARDS_TABLE", TABLES.guards),
        ("READ_MODELS_TABLE", TABLES.read_models),
        // The one table of a subscriber: here, of the read-model updater.
        ("TABLE", TABLES.read_models),
        ("TIMERS_TABLE", TABLES.timers),
        ("REGISTRY_TABLE", TABLES.registry),
        ("WEBHOOKS_TABLE", TABLES.webhooks),
        ("JOBS_TABLE", TABLES.jobs),
        ("FINDINGS_TABLE", TABLES.findings),
        ("CONNECTIONS_TABLE", TABLES.connections),
        ("WEBSOCKET_URL", "wss://sockets.example/live"),
        (Queues::VARIABLE, &Aws::queue_url("")),
        ("EVENT_TOPIC", &topic()),
        ("RECEIPT_KEY_SECRET", &receipt_secret()),
        ("PUBLIC_URL", &format!("{PUBLIC_URL}/")),
        ("OPERATION_RETENTION_DAYS", "90"),
        ("MAX_RECEIVES", &MAX_RECEIVES.to_string()),
        ("MOST_ATTEMPTS", "10"),
        ("FIRST_BACK_OFF_SECONDS", "300"),
        ("LONGEST_BACK_OFF_SECONDS", "21600"),
        ("RATE", "100"),
        ("VERIFY_EVERY_HOURS", "24"),
        ("VERIFY_PACE", "100000"),
        ("TENANT_COMMANDS_PER_SECOND", "4294967295"),
        ("TENANT_COMMAND_BURST", "4294967295"),
        ("STREAM_COMMANDS_PER_SECOND", "4294967295"),
        ("STREAM_COMMAND_BURST", "4294967295"),
    ])
}

/// Further settings of a function that a queue feeds.
pub fn own_queue<'a>(queue: &'a str, dead_letters: &'a str) -> [(&'static str, &'a str); 2] {
    [("QUEUE", queue), ("DEAD_LETTERS", dead_letters)]
}

// The registry

/// A machine client of the tenant.
pub fn register_client(aws: &Aws, client: &str, tenant: &str) {
    aws.register(&json!({ "registry_key": format!("client#{client}"), "entry": "tenant", "tenant": tenant }));
}

/// The tenant's settings are these.
pub fn register_tenant(aws: &Aws, tenant: &str, settings: &Value) {
    let key = format!("tenant#{tenant}");
    aws.register(&json!({ "registry_key": key, "entry": "settings", "document": settings.to_string() }));
}

/// A schema of the tenant's own.
pub fn register_schema(aws: &Aws, tenant: &str, uri: &str, command_type: &str, document: &str) {
    let (key, entry) = (format!("tenant#{tenant}"), format!("schema#{uri}"));
    aws.register(&json!({ "registry_key": key, "entry": entry, "document": document, "command_type": command_type }));
}

/// An operator (`client:desk`, `user:olga`) of the tenant; of the platform without one.
pub fn register_operator(aws: &Aws, operator: &str, tenant: Option<&str>) {
    let mut entry = json!({ "registry_key": format!("operator#{operator}"), "entry": "operator" });
    if let Some(tenant) = tenant {
        entry["tenant"] = json!(tenant);
    }
    aws.register(&entry);
}
