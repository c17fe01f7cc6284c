//! The function's settings, from environment variables.

use lambda::caller::Operators;
use lambda::claims::ClaimRules;
use lambda::settings::{BadSetting, Environment, invalid};
use messaging::{Queues, SqsClient};
use store::registry::Registry;
use store::webhooks::Webhooks;

use crate::Office;

/// Origins that may be registered besides public hosts by https. The sender must have the same.
const WEBHOOK_DESTINATIONS: &str = "WEBHOOK_DESTINATIONS";

impl Office {
    /// With `REGISTRY_TABLE`, `WEBHOOKS_TABLE`, the prefix of the queues, `WEBHOOK_DESTINATIONS` (optional), `PUBLIC_URL`, and
    /// what [`ClaimRules`] reads.
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        let registry = Registry::new(dynamodb.clone(), environment.text("REGISTRY_TABLE")?);
        let destinations = environment.optional(WEBHOOK_DESTINATIONS).unwrap_or_default();
        Ok(Self {
            operators: Operators::new(registry, ClaimRules::from_environment(environment)?),
            webhooks: Webhooks::new(dynamodb, environment.text("WEBHOOKS_TABLE")?),
            sqs,
            queues: Queues::new(environment.text(Queues::VARIABLE)?),
            destinations: destinations.parse().map_err(|error| invalid(WEBHOOK_DESTINATIONS, error))?,
            public_url: environment.public_url()?,
        })
    }
}
