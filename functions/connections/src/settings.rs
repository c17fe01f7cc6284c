//! The function's settings, from environment variables.

use std::num::NonZeroU32;

use admission::Intake;
use admission::limits::{Meter, Rate};
use lambda::SecretsManagerClient;
use lambda::caller::Callers;
use lambda::claims::ClaimRules;
use lambda::settings::{BadSetting, Environment};
use messaging::{ConnectionsClient, Frames, SqsClient};
use store::connections::Connections;
use store::operations::Operations;
use store::registry::Registry;

use crate::Server;

/// What the function calls.
pub struct Clients {
    pub dynamodb: store::Client,
    pub sqs: SqsClient,
    pub secrets_manager: SecretsManagerClient,
    /// Its endpoint is that of the WebSocket API and its stage.
    pub connections: ConnectionsClient,
}

/// What one connection may send: frames, and receipts in them.
const OF_A_CONNECTION: Rate = rate(20, 500);
/// How many tickets one caller may have.
const TICKETS: Rate = rate(1, 30);

const fn rate(per_second: u32, burst: u32) -> Rate {
    Rate {
        per_second: NonZeroU32::new(per_second).expect("more than none"),
        burst: NonZeroU32::new(burst).expect("more than none"),
    }
}

impl Server {
    /// `CONNECTIONS_TABLE`, `WEBSOCKET_URL`, `OPERATIONS_TABLE`, the table of tenants, and what [`Intake`] and [`ClaimRules`] read.
    pub fn from_environment(environment: &Environment, clients: Clients) -> Result<Self, BadSetting> {
        let Clients { dynamodb, sqs, secrets_manager, connections } = clients;
        let registry = Registry::new(dynamodb.clone(), environment.text("REGISTRY_TABLE")?);
        Ok(Self {
            callers: Callers::new(registry.clone(), ClaimRules::from_environment(environment)?),
            intake: Intake::from_environment(environment, registry, sqs, secrets_manager)?,
            operations: Operations::new(dynamodb.clone(), environment.text("OPERATIONS_TABLE")?),
            connections: Connections::new(dynamodb, environment.text("CONNECTIONS_TABLE")?),
            frames: Frames::new(connections),
            websocket_url: environment.text("WEBSOCKET_URL")?.trim_end_matches('/').to_owned(),
            of_a_connection: Meter::new(OF_A_CONNECTION),
            tickets: Meter::new(TICKETS),
        })
    }
}
