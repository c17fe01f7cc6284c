//! Peers of the command handler: Lambda functions that get the same SQS events. `PEER` names the one that runs.

mod bare_sdk;
mod policy;

use std::collections::HashMap;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use cqrs_es::Query;
use dynamo_es::{DynamoViewRepository, dynamodb_cqrs, dynamodb_snapshot_cqrs};
use futures_util::future::try_join_all;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::policy::{AdjustPremium, Policy, PolicyView, Views};

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    body: String,
}

/// A command as ingest queues it.
#[derive(Deserialize)]
struct Command {
    subject: String,
    data: AdjustPremium,
    /// `operationid`, `correlationid`, `traceparent` and the like, which events are stored with.
    #[serde(flatten)]
    context: HashMap<String, Value>,
}

impl Command {
    fn metadata(&self) -> HashMap<String, String> {
        let named = ["operationid", "correlationid", "traceparent", "authid"];
        let text = |name: &str| Some((name.to_owned(), self.context.get(name)?.as_str()?.to_owned()));
        named.into_iter().filter_map(text).collect()
    }
}

#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Error> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let client = Client::new(&config);
    match std::env::var("PEER")?.as_str() {
        "bare-sdk" => handle(|command| bare_sdk::handle(&client, command)).await,
        peer => {
            let view = || {
                let views = DynamoViewRepository::<PolicyView, Policy>::new("peer-view", client.clone());
                Box::new(Views::new(views.into())) as Box<dyn Query<Policy>>
            };
            let framework = match peer {
                "dynamo-es" => dynamodb_cqrs(client.clone(), vec![], ()),
                "dynamo-es-view" => dynamodb_cqrs(client.clone(), vec![view()], ()),
                "dynamo-es-snapshot" => dynamodb_snapshot_cqrs(client.clone(), vec![], 1, ()),
                other => return Err(format!("there is no peer {other}").into()),
            };
            let framework = &framework;
            let execute = |command: Command| async move {
                let metadata = command.metadata();
                framework.execute_with_metadata(&command.subject, command.data, metadata).await?;
                Ok(())
            };
            handle(execute).await
        }
    }
}

/// Handles a batch's commands side by side, and reports no failures: here nothing fails.
async fn handle<F>(command: impl Fn(Command) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>>,
{
    let command = &command;
    let service = service_fn(|event: LambdaEvent<Batch>| async move {
        let records = event.payload.records.into_iter();
        try_join_all(records.map(|record| async move { command(serde_json::from_str(&record.body)?).await })).await?;
        Ok::<_, Error>(json!({ "batchItemFailures": [] }))
    });
    run(service).await
}
