//! The project's tables: their names in tests, their making, and their items.

use std::sync::{Arc, LazyLock, Mutex};

use dynoxide::Database;
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::plain;
use crate::template::{TEMPLATE, Table};

/// What the tables are called in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    pub events: &'static str,
    pub operations: &'static str,
    pub read_models: &'static str,
    pub registry: &'static str,
    pub parked: &'static str,
    pub guards: &'static str,
    pub timers: &'static str,
    pub webhooks: &'static str,
    pub jobs: &'static str,
    pub findings: &'static str,
    pub connections: &'static str,
}

/// The names of the tables that every [`Aws`](crate::Aws) has.
pub const TABLES: Tables = Tables {
    events: "events",
    operations: "operations",
    read_models: "read-models",
    registry: "registry",
    parked: "parked",
    guards: "guards",
    timers: "timers",
    webhooks: "webhooks",
    jobs: "jobs",
    findings: "findings",
    connections: "connections",
};

/// A database with the project's tables.
pub(crate) fn database(clock: Clock) -> Database {
    let database = Database::memory_with_clock(Arc::new(clock)).expect("a database in memory");
    LazyLock::force(&PROTOTYPE);
    database.restore_from(PROTOTYPE_PATH).expect("a copy of the prototype");
    database
}

const PROTOTYPE_PATH: &str = "file:testkit-prototype?mode=memory&cache=shared";

/// What every database begins as, made once a process. It is gone with its last connection.
static PROTOTYPE: LazyLock<Mutex<Connection>> = LazyLock::new(|| {
    let database = Database::new(PROTOTYPE_PATH).expect("a database in memory");
    for table in TEMPLATE.iter() {
        create(&database, table);
    }
    let connection = Connection::open(PROTOTYPE_PATH).expect("a second connection");
    // Each write asks for its stream's last number. Without these that reads the whole stream, so that ten thousand
    // writes take a minute.
    let indexes = "CREATE INDEX by_number ON _stream_records (table_name, CAST(sequence_number AS INTEGER)); \
                   CREATE INDEX by_shard ON _stream_records (table_name, shard_id, CAST(sequence_number AS INTEGER));";
    connection.execute_batch(indexes).expect("indexes");
    Mutex::new(connection)
});

fn create(database: &Database, table: &Table) {
    let request = from_json(table.create_request());
    database.create_table(request).unwrap_or_else(|error| panic!("table {}: {error}", table.name));
    if let Some(attribute) = &table.time_to_live {
        let request = from_json(json!({
            "TableName": table.name,
            "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
        }));
        database.update_time_to_live(request).unwrap_or_else(|error| panic!("table {}: {error}", table.name));
    }
}

/// One of the project's tables.
pub(crate) fn find(name: &str) -> Option<&'static Table> {
    TEMPLATE.iter().find(|table| table.name == name)
}

/// All items of a table as plain JSON, by key if it is one of the project's.
pub(crate) fn items(database: &Database, table: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut start = Value::Null;
    loop {
        let request = from_json(json!({ "TableName": table, "ExclusiveStartKey": start }));
        let page = to_json(&database.scan(request).unwrap_or_else(|error| panic!("table {table}: {error}")));
        items.extend(page["Items"].as_array().into_iter().flatten().map(plain::item));
        start = page["LastEvaluatedKey"].clone();
        if start.is_null() {
            break;
        }
    }
    plain::sort_by(&mut items, find(table).map_or(&[], |table| &table.keys));
    items
}

/// Whether an index has an item of this key.
pub(crate) fn has_any(database: &Database, table: &str, index: &str, (name, value): (&str, &str)) -> bool {
    let request = json!({
        "TableName": table, "IndexName": index, "Limit": 1, "KeyConditionExpression": format!("{name} = :key"),
        "ExpressionAttributeValues": { ":key": { "S": value } },
    });
    let page = to_json(&database.query(from_json(request)).unwrap_or_else(|error| panic!("table {table}: {error}")));
    page["Items"].as_array().is_some_and(|items| !items.is_empty())
}

/// Puts an item whose attributes are all text.
pub(crate) fn put_texts(database: &Database, table: &str, attributes: &Value) {
    let text = |(name, value): (&String, &Value)| (name.clone(), json!({ "S": value }));
    let item: serde_json::Map<_, _> = attributes.as_object().expect("attributes").iter().map(text).collect();
    put(database, table, &Value::Object(item));
}

/// Puts an item in `DynamoDB`'s typed JSON.
pub(crate) fn put(database: &Database, table: &str, item: &Value) {
    let put = from_json(json!({ "TableName": table, "Item": item }));
    database.put_item(put).unwrap_or_else(|error| panic!("table {table}: {error}"));
}

pub(crate) fn from_json<T: DeserializeOwned>(request: Value) -> T {
    serde_json::from_value(request).expect("a request that dynoxide reads")
}

pub(crate) fn to_json(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).expect("an answer of dynoxide is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_templates_tables() {
        let Tables {
            events,
            operations,
            read_models,
            registry,
            parked,
            guards,
            timers,
            webhooks,
            jobs,
            findings,
            connections,
        } = TABLES;
        let mut named =
            [events, operations, read_models, registry, parked, guards, timers, webhooks, jobs, findings, connections];
        let mut declared: Vec<_> = TEMPLATE.iter().map(|table| table.name.as_str()).collect();

        named.sort_unstable();
        declared.sort_unstable();

        assert_eq!(declared, named);
    }
}
