//! The query function's settings, from environment variables.

use kernel::ids::TenantId;
use lambda::SecretsManagerClient;
use lambda::cache::Cache;
use lambda::caller::{Callers, FRESH_FOR, Operators};
use lambda::claims::ClaimRules;
use lambda::receipt_keys::ReceiptSecret;
use lambda::settings::{BadSetting, Environment};
use store::event_store::Streams;
use store::operations::Operations;
use store::read_models::{ListIndexes, ReadModels};
use store::registry::Registry;
use store::traces::{TraceTables, Traces};
use trace::Tracer;

use crate::Query;

impl Query {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        secrets_manager: SecretsManagerClient,
    ) -> Result<Self, BadSetting> {
        let registry = Registry::new(dynamodb.clone(), environment.text("REGISTRY_TABLE")?);
        let rules = ClaimRules::from_environment(environment)?;
        Ok(Self {
            callers: Callers::new(registry.clone(), rules.clone()),
            operators: Operators::new(registry.clone(), rules),
            settings: Cache::new("tenant", FRESH_FOR, move |tenant: String| {
                let registry = registry.clone();
                async move {
                    match TenantId::parse(&tenant) {
                        Ok(tenant) => registry.settings(&tenant).await,
                        Err(_) => Ok(None),
                    }
                }
            }),
            receipts: ReceiptSecret::from_environment(environment, secrets_manager)?,
            tracer: Tracer {
                traces: Traces::new(
                    dynamodb.clone(),
                    TraceTables {
                        operations: environment.text("OPERATIONS_TABLE")?,
                        events: environment.text("EVENTS_TABLE")?,
                        read_models: environment.text("READ_MODELS_TABLE")?,
                        timers: environment.text("TIMERS_TABLE")?,
                        of_operators: None,
                    },
                ),
                contexts: catalog::CONTEXTS,
                public_url: environment.public_url()?,
            },
            operations: Operations::new(dynamodb.clone(), environment.text("OPERATIONS_TABLE")?),
            read_models: ReadModels::new(dynamodb.clone(), environment.text("READ_MODELS_TABLE")?)
                .listing_by(list_indexes(environment)?),
            streams: Streams::new(dynamodb, &environment.text("EVENTS_TABLE")?),
            read_model: catalog::read_model,
            public_url: environment.public_url()?,
        })
    }
}

/// `LIST_INDEXES`: which indexes lists are read from.
fn list_indexes(environment: &Environment) -> Result<ListIndexes, BadSetting> {
    environment.one_of("LIST_INDEXES", [("keys", ListIndexes::Keys), ("whole", ListIndexes::Whole)])
}
