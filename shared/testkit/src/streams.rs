//! A table's stream, as Lambda hands it to a function.

use std::collections::HashMap;

use dynoxide::Database;
use dynoxide::streams::{shard_id, stream_arn};
use serde_json::{Value, json};

use crate::aws::{ACCOUNT, REGION};
use crate::tables::{self, from_json, to_json};

/// How far each table's stream has been read.
#[derive(Debug, Default)]
pub(crate) struct Positions(HashMap<String, String>);

impl Positions {
    /// The event for everything written to the table since the last call, in order.
    pub fn event(&mut self, database: &Database, table: &str) -> Value {
        let view = tables::find(table).and_then(|table| table.stream_view.as_deref());
        let view = view.unwrap_or_else(|| panic!("table {table} has no stream in template.yaml"));
        let mut records = Vec::new();
        loop {
            let iterator = self.0.remove(table).unwrap_or_else(|| from_the_start(database, table));
            let page = database.get_records(from_json(json!({ "ShardIterator": iterator })));
            let page = page.unwrap_or_else(|error| panic!("stream of {table}: {error}"));
            self.0.extend(page.next_shard_iterator.map(|next| (table.to_owned(), next)));
            if page.records.is_empty() {
                return json!({ "Records": records });
            }
            records.extend(
                page.records.iter().filter(|record| changed(record)).map(|record| as_lambda_does(record, table, view)),
            );
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

type Record = dynoxide::actions::get_records::Record;

/// A put of what was there already is no change; dynoxide records it, `DynamoDB` does not.
fn changed(record: &Record) -> bool {
    record.event_name != "MODIFY" || record.dynamodb.old_image != record.dynamodb.new_image
}

fn as_lambda_does(record: &Record, table: &str, view: &str) -> Value {
    let mut record = to_json(record);
    record["awsRegion"] = json!(REGION);
    record["eventSourceARN"] =
        json!(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/2025-01-01T00:00:00.000"));
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
