//! The query function's settings, from environment variables.

use kernel::receipt::ReceiptKeys;
use lambda::caller::Callers;
use lambda::settings::{BadSetting, Environment, invalid};
use store::event_store::Streams;
use store::operations::Operations;
use store::read_models::ReadModels;
use store::registry::Registry;

use crate::Query;

/// Secrets behind receipts: see [`ReceiptKeys::parse`].
const RECEIPT_KEY: &str = "RECEIPT_KEY";

impl Query {
    pub fn from_environment(environment: &Environment, dynamodb: store::Client) -> Result<Self, BadSetting> {
        let receipts = ReceiptKeys::parse(&environment.text(RECEIPT_KEY)?).map_err(|why| invalid(RECEIPT_KEY, why))?;
        let registry = Registry::new(dynamodb.clone(), environment.text("REGISTRY_TABLE")?);
        let tenant_claim = environment.optional("TENANT_CLAIM").unwrap_or("custom:tenant");
        Ok(Self {
            callers: Callers::new(registry, tenant_claim),
            receipts,
            operations: Operations::new(dynamodb.clone(), environment.text("OPERATIONS_TABLE")?),
            read_models: ReadModels::new(dynamodb.clone(), environment.text("READ_MODELS_TABLE")?),
            streams: Streams::new(dynamodb, &environment.text("EVENTS_TABLE")?),
            public_url: environment.text("PUBLIC_URL")?.trim_end_matches('/').to_owned(),
            retention: environment.retention()?,
        })
    }
}
