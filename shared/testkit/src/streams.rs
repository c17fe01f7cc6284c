//! A table's stream: as Lambda hands it to a function, and as its API answers.
//!
//! A stream has one shard that never closes, and one position per write. Like AWS's it forgets after 24 hours.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::actions::get_records::{GetRecordsResponse, Record};
use dynoxide::streams::{shard_id, stream_arn};
use dynoxide::{Database, DynoxideError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::answer::{Answer, Refusal};
use crate::aws::{ACCOUNT, REGION};
use crate::request::Request;
use crate::tables::{self, from_json, to_json};

/// For how long a stream has what was written.
const RETENTION: Duration = Duration::from_hours(24);
/// For how long a shard iterator is good.
const ITERATOR_LIFE: Duration = Duration::from_mins(15);

// To functions

/// How far each table's stream has been read.
#[derive(Debug, Default)]
pub(crate) struct Positions(HashMap<String, String>);

impl Positions {
    /// The event for everything written to the table since the last call, in order.
    pub fn event(&mut self, database: &Database, table: &str) -> Value {
        let view = view(table).unwrap_or_else(|| panic!("table {table} has no stream in template.yaml"));
        let mut records = Vec::new();
        loop {
            let iterator = self.0.remove(table).unwrap_or_else(|| from_the_start(database, table));
            let page = page(database, &iterator, None).unwrap_or_else(|error| panic!("stream of {table}: {error}"));
            self.0.extend(page.next_shard_iterator.map(|next| (table.to_owned(), next)));
            if page.records.is_empty() {
                return json!({ "Records": records });
            }
            records.extend(page.records.iter().filter(|record| changed(record)).map(|record| {
                let mut record = as_aws_does(record, view);
                record["eventSourceARN"] = json!(arn(table));
                record
            }));
        }
    }
}

fn from_the_start(database: &Database, table: &str) -> String {
    let request = from_json(json!({
        "StreamArn": stream_arn(table, "latest"),
        "ShardId": shard_id(table),
        "ShardIteratorType": "TRIM_HORIZON",
    }));
    let answer = database.get_shard_iterator(request).unwrap_or_else(|error| panic!("stream of {table}: {error}"));
    answer.shard_iterator.expect("a shard iterator")
}

fn page(database: &Database, iterator: &str, limit: Option<usize>) -> dynoxide::Result<GetRecordsResponse> {
    database.get_records(from_json(json!({ "ShardIterator": iterator, "Limit": limit })))
}

fn arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/2025-01-01T00:00:00.000")
}

fn table_of(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or_default()
}

fn view(table: &str) -> Option<&'static str> {
    tables::find(table)?.stream_view.as_deref()
}

/// A put of what was there already is no change; dynoxide records it, `DynamoDB` does not.
fn changed(record: &Record) -> bool {
    record.event_name != "MODIFY" || record.dynamodb.old_image != record.dynamodb.new_image
}

fn as_aws_does(record: &Record, view: &str) -> Value {
    let mut record = to_json(record);
    record["awsRegion"] = json!(REGION);
    let change = &mut record["dynamodb"];
    change["StreamViewType"] = json!(view);
    if let Some(change) = change.as_object_mut() {
        if !view.contains("NEW") {
            change.remove("NewImage");
        }
        if !view.contains("OLD") {
            change.remove("OldImage");
        }
    }
    record
}

/// As documented in the Lambda developer guide, "Retaining discarded batches for a DynamoDB stream".
pub(crate) fn on_failure_record(stream_event: &Value, now: SystemTime) -> Value {
    let records = stream_event["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [first, .., last] = records else {
        let [only] = records else { panic!("a stream's event with records, not {stream_event}") };
        return given_up([only, only], 1, now);
    };
    given_up([first, last], records.len(), now)
}

fn given_up(ends: [&Value; 2], size: usize, now: SystemTime) -> Value {
    let stream = ends[0]["eventSourceARN"].as_str().expect("a stream's record");
    let [start, end] = ends.map(|record| &record["dynamodb"]["SequenceNumber"]);
    let [first, last] = ends.map(|record| {
        let seconds = record["dynamodb"]["ApproximateCreationDateTime"].as_f64().expect("a time");
        rfc_3339(UNIX_EPOCH + Duration::from_secs_f64(seconds))
    });
    json!({
        "requestContext": {
            "requestId": "316aa6d0-8154-4000-9af7-85d5f4a6bc81",
            "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:publisher:$LATEST"),
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1,
        },
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "version": "1.0",
        "timestamp": rfc_3339(now),
        "DDBStreamBatchInfo": {
            "shardId": shard_id(table_of(stream)),
            "startSequenceNumber": start,
            "endSequenceNumber": end,
            "approximateArrivalOfFirstRecord": first,
            "approximateArrivalOfLastRecord": last,
            "batchSize": size,
            "streamArn": stream,
        },
    })
}

fn rfc_3339(time: SystemTime) -> String {
    OffsetDateTime::from(time).format(&Rfc3339).expect("a year of four digits")
}

// To the SDK's client

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecords {
    shard_iterator: String,
    limit: Option<usize>,
}

pub(crate) fn answer(database: &Database, request: &Request, now: SystemTime) -> Answer {
    let outcome = match request.operation.as_str() {
        "GetShardIterator" => read(&request.body).and_then(|request| shard_iterator(database, request, now)),
        "GetRecords" => read(&request.body).and_then(|request| records(database, &request, now)),
        unknown => Err(Refusal::bad_request("UnknownOperationException", format!("testkit does not answer {unknown}"))),
    };
    match outcome {
        Ok(answer) => Answer::success(answer.to_string()),
        Err(refusal) => Answer::refusal(request.service, &refusal),
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, Refusal> {
    serde_json::from_str(body).map_err(|error| Refusal::bad_request("SerializationException", error.to_string()))
}

fn shard_iterator(database: &Database, request: Value, now: SystemTime) -> Result<Value, Refusal> {
    let arn = request["StreamArn"].as_str().unwrap_or_default().to_owned();
    let table = table_of(&arn);
    if view(table).is_none() || request["ShardId"] != json!(shard_id(table)) {
        let message = format!("Requested resource not found: Stream: {arn}, shard: {}", request["ShardId"]);
        return Err(Refusal::bad_request("ResourceNotFoundException", message));
    }
    let at_a_record = request["SequenceNumber"].is_string();
    let answer = database.get_shard_iterator(from_json(request)).map_err(|error| refused(&error))?;
    let iterator = answer.shard_iterator.expect("a shard iterator");
    if at_a_record {
        let first = page(database, &iterator, Some(1)).map_err(|error| refused(&error))?;
        if first.records.first().is_some_and(|record| forgotten(record, now)) {
            let message = "The operation attempted to read past the oldest stream record in a shard.";
            return Err(Refusal::bad_request("TrimmedDataAccessException", message));
        }
    }
    Ok(json!({ "ShardIterator": ShardIterator { made: now, table, inner: &iterator }.to_string() }))
}

fn records(database: &Database, request: &GetRecords, now: SystemTime) -> Result<Value, Refusal> {
    let Some(ShardIterator { made, table, inner }) = ShardIterator::parse(&request.shard_iterator) else {
        return Err(Refusal::bad_request("ValidationException", "Invalid ShardIterator."));
    };
    if now > made + ITERATOR_LIFE {
        return Err(Refusal::bad_request("ExpiredIteratorException", "The shard iterator has expired."));
    }
    let page = page(database, inner, request.limit).map_err(|error| refused(&error))?;
    let there = page.records.iter().filter(|record| changed(record) && !forgotten(record, now));
    let records: Value = there.map(|record| as_aws_does(record, view(table).unwrap_or_default())).collect();
    let next = page.next_shard_iterator.map(|inner| ShardIterator { made: now, table, inner: &inner }.to_string());
    Ok(json!({ "Records": records, "NextShardIterator": next }))
}

/// dynoxide's iterator, and before it when it was made, for it expires, and for which table.
struct ShardIterator<'a> {
    made: SystemTime,
    table: &'a str,
    inner: &'a str,
}

impl<'a> ShardIterator<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let made = UNIX_EPOCH + Duration::from_millis(parts.next()?.parse().ok()?);
        Some(Self { made, table: parts.next()?, inner: parts.next()? })
    }
}

impl fmt::Display for ShardIterator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.made.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        write!(f, "{made}.{}.{}", self.table, self.inner)
    }
}

fn forgotten(record: &Record, now: SystemTime) -> bool {
    let written = UNIX_EPOCH + Duration::from_secs_f64(record.dynamodb.approximate_creation_date_time);
    now > written + RETENTION
}

fn refused(error: &DynoxideError) -> Refusal {
    let body: Value = serde_json::from_str(&error.to_json()).unwrap_or_default();
    let code = body["__type"].as_str().and_then(|code| code.rsplit('#').next()).unwrap_or("InternalServerError");
    Refusal { status: error.status_code(), code: code.to_owned(), message: error.to_string() }
}
