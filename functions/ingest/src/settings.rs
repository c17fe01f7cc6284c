//! Ingest's settings, from environment variables.

use admission::Intake;
use lambda::SecretsManagerClient;
use lambda::caller::Callers;
use lambda::claims::ClaimRules;
use lambda::settings::{BadSetting, Environment};
use store::registry::Registry;

use crate::Ingest;
use crate::outcome::Outcomes;
use crate::partner_topic::PartnerTopic;
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
        let registry = Registry::new(dynamodb.clone(), environment.text(REGISTRY_TABLE)?);
        Ok(Self {
            callers: Callers::new(registry.clone(), ClaimRules::from_environment(environment)?),
            intake: Intake::from_environment(environment, registry, sqs.clone(), secrets_manager)?,
            partner_topic: PartnerTopic::from_environment(environment, sqs)?,
            webhooks: Webhooks::from_environment(environment)?,
            outcomes: Outcomes::from_environment(environment, dynamodb)?,
        })
    }
}
