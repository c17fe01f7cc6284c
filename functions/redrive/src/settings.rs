//! The redrive's settings, from environment variables.

use std::time::Duration;

use kernel::back_off::BackOff;
use lambda::caller::Operators;
use lambda::claims::ClaimRules;
use lambda::settings::{BadSetting, Environment};
use messaging::queues::QueuePair;
use messaging::{Queues, SqsClient};
use recovery::DeadLetters;
use store::operations::Operations;
use store::parked::Parked;
use store::registry::Registry;

use crate::{Pace, Redrive, WayBack};

impl Redrive {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        let queues = Queues::new(environment.text(Queues::VARIABLE)?);
        let way = |pair: QueuePair| WayBack {
            context: catalog::context(&pair.name),
            name: pair.name,
            queue_url: pair.queue_url,
            dead_letters: DeadLetters::new(sqs.clone(), pair.dead_letters_url),
        };
        let ways = queues.pairs(catalog::CONTEXTS.iter().map(|context| context.name)).into_iter().map(way).collect();
        let operations = environment.text("OPERATIONS_TABLE")?;
        let registry = Registry::new(dynamodb.clone(), environment.text("REGISTRY_TABLE")?);
        let seconds = |name| environment.parsed(name).map(Duration::from_secs);
        Ok(Self {
            ways,
            sqs,
            parked: Parked::new(dynamodb.clone(), environment.text("PARKED_TABLE")?, &operations),
            operations: Operations::new(dynamodb, operations),
            operators: Operators::new(registry, ClaimRules::from_environment(environment)?),
            public_url: environment.public_url()?,
            retention: environment.retention()?,
            pace: Pace {
                most_attempts: environment.parsed("MOST_ATTEMPTS")?,
                back_off: BackOff {
                    first: seconds("FIRST_BACK_OFF_SECONDS")?,
                    longest: seconds("LONGEST_BACK_OFF_SECONDS")?,
                },
                rate: environment.parsed("RATE")?,
            },
        })
    }
}
