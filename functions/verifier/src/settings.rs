//! The verifier's settings, from environment variables.

use std::sync::Mutex;
use std::time::Duration;

use lambda::caller::Operators;
use lambda::claims::ClaimRules;
use lambda::settings::{BadSetting, Environment};
use messaging::{Queues, SqsClient};
use store::event_store::Streams;
use store::findings::Findings;
use store::guards::Guards;
use store::jobs::Jobs;
use store::operations::Operations;
use store::parked::Parked;
use store::read_models::ReadModels;
use store::registry::Registry;
use store::timers::Timers;
use store::traces::{TraceTables, Traces};

use crate::Verifier;

impl Verifier {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        let registry = Registry::new(dynamodb.clone(), environment.text("REGISTRY_TABLE")?);
        let tables = TraceTables {
            operations: environment.text("OPERATIONS_TABLE")?,
            events: environment.text("EVENTS_TABLE")?,
            read_models: environment.text("READ_MODELS_TABLE")?,
            timers: environment.text("TIMERS_TABLE")?,
            of_operators: None,
        };
        let hours: u32 = environment.parsed("VERIFY_EVERY_HOURS")?;
        Ok(Self {
            jobs: Jobs::new(dynamodb.clone(), environment.text("JOBS_TABLE")?),
            findings: Findings::new(dynamodb.clone(), environment.text("FINDINGS_TABLE")?),
            streams: Streams::new(dynamodb.clone(), &tables.events),
            operations: Operations::new(dynamodb.clone(), &tables.operations),
            parked: Parked::new(dynamodb.clone(), environment.text("PARKED_TABLE")?, &tables.operations),
            guards: Guards::new(dynamodb.clone(), environment.text("GUARDS_TABLE")?),
            timers: Timers::new(dynamodb.clone(), &tables.timers),
            read_models: ReadModels::new(dynamodb.clone(), &tables.read_models),
            traces: Traces::new(dynamodb, tables),
            contexts: catalog::CONTEXTS,
            read_models_of: catalog::read_models_of,
            sqs,
            queues: Queues::new(environment.text(Queues::VARIABLE)?),
            operators: Operators::new(registry.clone(), ClaimRules::from_environment(environment)?),
            registry,
            retention: environment.retention()?,
            every: (hours > 0).then(|| Duration::from_secs(u64::from(hours) * 60 * 60)),
            pace: environment.parsed("VERIFY_PACE")?,
            public_url: environment.public_url()?,
            known: Mutex::default(),
        })
    }
}
