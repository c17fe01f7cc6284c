//! `DynamoDB`, which is `dynoxide`: a relational database in memory that answers as AWS does.
//!
//! Where it differs from AWS: it never reports a `TransactionConflict` by itself (inject one), it removes
//! expired items only in `sweep_ttl()`, and it remembers client request tokens by the machine's clock.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Refusal};
use crate::request::Request;

pub(crate) fn answer(database: &Database, request: &Request) -> Answer {
    let body = &request.body;
    let outcome = match request.operation.as_str() {
        "BatchGetItem" => run(body, |q| database.batch_get_item(q)),
        "BatchWriteItem" => run(body, |q| database.batch_write_item(q)),
        "CreateTable" => run(body, |q| database.create_table(q)),
        "DeleteItem" => run(body, |q| database.delete_item(q)),
        "DeleteTable" => run(body, |q| database.delete_table(q)),
        "DescribeTable" => run(body, |q| database.describe_table(q)),
        "DescribeTimeToLive" => run(body, |q| database.describe_time_to_live(q)),
        "GetItem" => run(body, |q| database.get_item(q)),
        "ListTables" => run(body, |q| database.list_tables(q)),
        "PutItem" => run(body, |q| database.put_item(q)),
        "Query" => run(body, |q| database.query(q)),
        "Scan" => run(body, |q| database.scan(q)),
        "TransactGetItems" => run(body, |q| database.transact_get_items(q)),
        "TransactWriteItems" => run(body, |q| database.transact_write_items(q)),
        "UpdateItem" => run(body, |q| database.update_item(q)),
        "UpdateTimeToLive" => run(body, |q| database.update_time_to_live(q)),
        unknown => {
            let message = format!("testkit does not answer {unknown}");
            return Answer::refusal(request.service, &Refusal::bad_request("UnknownOperationException", message));
        }
    };
    match outcome {
        Ok(json) => Answer::success(json),
        Err(error) => Answer::with_status(error.status_code(), error.to_json()),
    }
}

fn run<Q, A>(body: &str, operation: impl FnOnce(Q) -> dynoxide::Result<A>) -> dynoxide::Result<String>
where
    Q: DeserializeOwned,
    A: Serialize,
{
    let request = serde_json::from_str(body).map_err(|error| unreadable(&error.to_string()))?;
    let answer = operation(request)?;
    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// `dynoxide` checks some rules while it deserialises, and marks those errors `VALIDATION…:`.
fn unreadable(error: &str) -> DynoxideError {
    match error.split_once(':') {
        Some((marker, rest)) if marker.starts_with("VALIDATION") => {
            let message = rest.rsplit_once(" at line ").map_or(rest, |(message, _)| message);
            DynoxideError::ValidationException(message.to_owned())
        }
        _ => DynoxideError::SerializationException(error.to_owned()),
    }
}
