//! Ingest's settings, from environment variables.

use kernel::receipt::ReceiptKeys;
use lambda::caller::Callers;
use lambda::settings::{BadSetting, Environment, invalid};
use messaging::{CommandQueue, Queues};
use schemas::Bundled;
use store::registry::Registry;

use crate::Ingest;
use crate::admission::Admission;
use crate::tenants::Tenants;

/// The table of tenants.
const REGISTRY_TABLE: &str = "REGISTRY_TABLE";
/// Secrets behind receipts: see [`ReceiptKeys::parse`].
const RECEIPT_KEY: &str = "RECEIPT_KEY";
/// The API's own address, as clients reach it.
const PUBLIC_URL: &str = "PUBLIC_URL";
/// The claim that holds the tenant in users' tokens.
const TENANT_CLAIM: &str = "TENANT_CLAIM";

impl Ingest {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: messaging::SqsClient,
    ) -> Result<Self, BadSetting> {
        let receipts = ReceiptKeys::parse(&environment.text(RECEIPT_KEY)?).map_err(|why| invalid(RECEIPT_KEY, why))?;
        let queues = Queues::new(environment.text(Queues::VARIABLE)?);
        let public_url = environment.text(PUBLIC_URL)?.trim_end_matches('/').to_owned();
        let registry = Registry::new(dynamodb, environment.text(REGISTRY_TABLE)?);
        let tenant_claim = environment.optional(TENANT_CLAIM).unwrap_or("custom:tenant");
        Ok(Self {
            callers: Callers::new(registry.clone(), tenant_claim),
            tenants: Tenants::new(registry),
            admission: Admission { receipts, bundled: Bundled::compile(&public_url), queues, public_url },
            queue: CommandQueue::new(sqs),
        })
    }
}
