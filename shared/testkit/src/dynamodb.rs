//! `DynamoDB`, which is `dynoxide`: a relational database in memory that answers as AWS does.
//!
//! Where it differs from AWS: it never reports a `TransactionConflict` by itself (inject one, or let transactions hold
//! their items), it removes expired items only in `sweep_ttl()`, and it remembers client request tokens by the machine's
//! clock and looks through all of them each time, so that those are kept here.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::{Answer, Refusal};
use crate::aws::lock;
use crate::request::Request;

/// Transactions that succeeded in the last ten minutes, by their client request token.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    answers: HashMap<String, (u64, String)>,
    in_order: VecDeque<(SystemTime, String)>,
}

const TOKEN: &str = "\"ClientRequestToken\":\"";
const TOKEN_LIFE: Duration = Duration::from_mins(10);

/// A transaction with a token happens once; the same again is answered as it was.
pub(crate) fn answer_once(database: &Database, request: &Request, tokens: &Mutex<Tokens>, now: SystemTime) -> Answer {
    let Some((before, rest)) = request.body.rsplit_once(TOKEN).filter(|_| request.operation == "TransactWriteItems")
    else {
        return answer(database, request);
    };
    let (token, after) = rest.split_once('"').unwrap_or((rest, ""));
    let body = match (before.strip_suffix(','), after.strip_prefix(',')) {
        (Some(before), _) => format!("{before}{after}"),
        (None, after_comma) => format!("{before}{}", after_comma.unwrap_or(after)),
    };
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let content = hasher.finish();
    let mut tokens = lock(tokens);
    while let Some((_, old)) = tokens.in_order.pop_front_if(|(since, _)| *since + TOKEN_LIFE <= now) {
        tokens.answers.remove(&old);
    }
    match tokens.answers.get(token) {
        Some((known, answer)) if *known == content => return Answer::success(answer.clone()),
        Some(_) => {
            let message = "Request was retried with the same token and other content.";
            let refusal = Refusal::bad_request("IdempotentParameterMismatchException", message);
            return Answer::refusal(request.service, &refusal);
        }
        None => {}
    }
    let answer = answer(database, &Request { body, ..request.clone() });
    if answer.status == 200 {
        tokens.answers.insert(token.to_owned(), (content, answer.body.clone()));
        tokens.in_order.push_back((now, token.to_owned()));
    }
    answer
}

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

/// A `BatchGetItem` of one table that leaves these keys (from 0) unprocessed, or a `Query` of an index that does not know
/// these items yet; anything else is answered whole.
pub(crate) fn answer_leaving_out(database: &Database, request: &Request, left: &[usize]) -> Answer {
    let mut body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    if body["IndexName"].is_string() {
        return index_behind(answer(database, request), left);
    }
    let tables = body["RequestItems"].as_object_mut().filter(|tables| tables.len() == 1);
    let Some((table, wanted)) = tables.and_then(|tables| tables.iter_mut().next()) else {
        return answer(database, request);
    };
    let keys = wanted["Keys"].as_array().cloned().unwrap_or_default();
    let (out, rest): (Vec<_>, Vec<_>) = keys.into_iter().enumerate().partition(|(index, _)| left.contains(index));
    let only = |keys: Vec<(usize, Value)>| keys.into_iter().map(|(_, key)| key).collect::<Value>();
    let mut unprocessed = wanted.clone();
    unprocessed["Keys"] = only(out);
    let unprocessed = json!({ table.as_str(): unprocessed });
    let nothing_left = rest.is_empty();
    let empty = json!({ "Responses": { table.as_str(): [] } });
    wanted["Keys"] = only(rest);
    let given = if nothing_left {
        Answer::success(empty.to_string())
    } else {
        answer(database, &Request { body: body.to_string(), ..request.clone() })
    };
    if given.status != 200 {
        return given;
    }
    let mut with_rest: Value = serde_json::from_str(&given.body).unwrap_or_default();
    with_rest["UnprocessedKeys"] = unprocessed;
    Answer::success(with_rest.to_string())
}

fn index_behind(given: Answer, left: &[usize]) -> Answer {
    if given.status != 200 {
        return given;
    }
    let mut page: Value = serde_json::from_str(&given.body).unwrap_or_default();
    let Some(items) = page["Items"].as_array_mut().map(std::mem::take) else { return given };
    let known = items.into_iter().enumerate().filter(|(index, _)| !left.contains(index));
    let known: Vec<Value> = known.map(|(_, item)| item).collect();
    page["Count"] = json!(known.len());
    page["Items"] = json!(known);
    Answer::success(page.to_string())
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
