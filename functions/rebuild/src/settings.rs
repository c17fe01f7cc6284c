//! The rebuild's settings, from environment variables.

use lambda::caller::Operators;
use lambda::claims::ClaimRules;
use lambda::settings::{BadSetting, Environment};
use messaging::{Queues, SqsClient};
use store::event_store::Streams;
use store::jobs::Jobs;
use store::read_models::ReadModels;
use store::registry::Registry;

use crate::Rebuild;

impl Rebuild {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        let registry = Registry::new(dynamodb.clone(), environment.text("REGISTRY_TABLE")?);
        Ok(Self {
            jobs: Jobs::new(dynamodb.clone(), environment.text("JOBS_TABLE")?),
            streams: Streams::new(dynamodb.clone(), &environment.text("EVENTS_TABLE")?),
            read_models: ReadModels::new(dynamodb, environment.text("READ_MODELS_TABLE")?),
            read_models_of: catalog::read_models_of,
            sqs,
            queues: Queues::new(environment.text(Queues::VARIABLE)?),
            operators: Operators::new(registry, ClaimRules::from_environment(environment)?),
            public_url: environment.public_url()?,
        })
    }
}
