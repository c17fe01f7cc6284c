//! The operator function's settings, from environment variables.

use kernel::ids::OWN;
use lambda::caller::Operators;
use lambda::claims::ClaimRules;
use lambda::receipt_keys::ReceiptSecret;
use lambda::settings::{BadSetting, Environment};
use lambda::{CloudWatchClient, SecretsManagerClient, telemetry};
use messaging::{Queues, SqsClient};
use recovery::DeadLetters;
use schemas::Bundled;
use store::event_store::Streams;
use store::operations::Operations;
use store::parked::Parked;
use store::registry::Registry;
use store::traces::{OperatorTables, TraceTables, Traces};
use trace::Tracer;

use crate::{Desk, Flows};

impl Desk {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
        secrets_manager: SecretsManagerClient,
        cloudwatch: CloudWatchClient,
    ) -> Result<Self, BadSetting> {
        let queues = Queues::new(environment.text(Queues::VARIABLE)?);
        let pairs = queues.pairs(catalog::CONTEXTS.iter().map(|context| context.name));
        let public_url = environment.public_url()?;
        let registry = Registry::new(dynamodb.clone(), environment.text("REGISTRY_TABLE")?);
        let (parked, operations) = (environment.text("PARKED_TABLE")?, environment.text("OPERATIONS_TABLE")?);
        Ok(Self {
            operators: Operators::new(registry.clone(), ClaimRules::from_environment(environment)?),
            registry,
            parked: Parked::new(dynamodb.clone(), &parked, &operations),
            streams: Streams::new(dynamodb.clone(), &environment.text("EVENTS_TABLE")?),
            tracer: Tracer {
                traces: Traces::new(
                    dynamodb.clone(),
                    TraceTables {
                        operations: operations.clone(),
                        events: environment.text("EVENTS_TABLE")?,
                        read_models: environment.text("READ_MODELS_TABLE")?,
                        timers: environment.text("TIMERS_TABLE")?,
                        of_operators: Some(OperatorTables { parked, webhooks: environment.text("WEBHOOKS_TABLE")? }),
                    },
                ),
                contexts: catalog::CONTEXTS,
                public_url: public_url.clone(),
            },
            receipts: ReceiptSecret::from_environment(environment, secrets_manager)?,
            operations: Operations::new(dynamodb, operations),
            dead_letters: pairs
                .iter()
                .map(|pair| (pair.name.clone(), DeadLetters::new(sqs.clone(), &pair.dead_letters_url)))
                .collect(),
            flows: Flows::new(cloudwatch, telemetry::namespace(environment), &queues),
            queues: pairs
                .into_iter()
                .map(|pair| (pair.name, Some(pair.queue_url)))
                .chain([(OWN.to_owned(), None)])
                .collect(),
            sqs,
            bundled: Bundled::compile(&public_url),
            public_url,
            retention: environment.retention()?,
        })
    }
}
