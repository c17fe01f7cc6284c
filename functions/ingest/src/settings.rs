//! Ingest's settings, from environment variables.

use lambda::SecretsManagerClient;
use lambda::caller::Callers;
use lambda::claims::ClaimRules;
use lambda::receipt_keys::ReceiptSecret;
use lambda::settings::{BadSetting, Environment};
use messaging::{CommandQueue, Queues};
use schemas::Bundled;
use store::registry::Registry;

use crate::Ingest;
use crate::admission::Admission;
use crate::limits::{Limits, Rates};
use crate::outcome::Outcomes;
use crate::partner_topic::PartnerTopic;
use crate::tenants::Tenants;
use crate::watch::Watch;
use crate::webhooks::Webhooks;

/// The table of tenants.
const REGISTRY_TABLE: &str = "REGISTRY_TABLE";

impl Ingest {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: messaging::SqsClient,
        secrets_manager: SecretsManagerClient,
    ) -> Result<Self, BadSetting> {
        let receipts = ReceiptSecret::from_environment(environment, secrets_manager)?;
        let queues = Queues::new(environment.text(Queues::VARIABLE)?);
        let public_url = environment.public_url()?;
        let registry = Registry::new(dynamodb.clone(), environment.text(REGISTRY_TABLE)?);
        Ok(Self {
            callers: Callers::new(registry.clone(), ClaimRules::from_environment(environment)?),
            tenants: Tenants::new(registry),
            limits: Limits::new(Rates::from_environment(environment)?),
            receipts,
            partner_topic: PartnerTopic::from_environment(environment, sqs.clone())?,
            watch: Watch::new(sqs.clone(), queues.clone()),
            admission: Admission { bundled: Bundled::compile(&public_url), queues, public_url },
            queue: CommandQueue::new(sqs),
            webhooks: Webhooks::from_environment(environment)?,
            outcomes: Outcomes::from_environment(environment, dynamodb)?,
        })
    }
}
