//! The schemas of answers in `openapi.yaml`, which are generated from the functions' types. Their prose is the types' first
//! paragraph of documentation.
//!
//! `UPDATE_OPENAPI=1 cargo nextest run -p tests --test house components` writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use kernel::ids::AggregateId;
use kernel::problem::Problem;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use testkit::openapi::Description;

/// Below this line all is generated.
const MARK: &str = "    # What follows is generated from the functions' types: \
                    UPDATE_OPENAPI=1 cargo nextest run -p tests --test house components\n";

/// The schemas by name.
fn generated() -> BTreeMap<String, Value> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    generator.subschema_for::<Problem>();
    for describe in [
        ingest::describe,
        query::describe,
        operator::describe,
        redrive::describe,
        webhook_api::describe,
        rebuild::describe,
        verifier::describe,
        connections::describe,
    ] {
        describe(&mut generator);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.values_mut().for_each(tidy);
    schemas.into_iter().collect()
}

/// Says it as the rest of the description does.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => return schemas.iter_mut().for_each(tidy),
        Value::Object(members) => tidy_members(members),
        _ => return,
    }
    let aggregate = json!({ "pattern": AggregateId::PATTERN, "type": "string" });
    let timestamp = json!({ "format": "date-time", "type": "string" });
    let members = schema.as_object_mut().expect("an object");
    let description = members.remove("description");
    for (name, described) in [("AggregateId", aggregate), ("Timestamp", timestamp)] {
        if Some(&*members) == described.as_object() {
            *members = Map::from_iter([("$ref".to_owned(), json!(format!("#/components/schemas/{name}")))]);
        }
    }
    members.extend(description.map(|description| ("description".to_owned(), description)));
}

fn tidy_members(members: &mut Map<String, Value>) {
    // What is Rust's own of numbers; and a pattern of times that is for senders.
    let format = members.get("format").and_then(Value::as_str).unwrap_or_default();
    if format.trim_start_matches('u').starts_with("int") {
        members.remove("format");
        members.retain(|name, value| name != "maximum" || *value != json!(u16::MAX));
    }
    if members.get("format") == Some(&json!("date-time")) {
        members.remove("pattern");
    }
    if let Some(description) = members.get("description").and_then(Value::as_str) {
        let first = description.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        members.insert("description".to_owned(), first.into());
    }
    let required = members.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| required.as_array().is_some_and(|names| names.contains(&name.into()));
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        properties.iter_mut().filter(|(name, _)| !is_required(name)).for_each(|(_, schema)| never_null(schema));
    }
    list_values(members);
    for (name, member) in members.iter_mut() {
        match (name.as_str(), member) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(tidy),
            ("const" | "enum" | "required" | "description", _) => {}
            (_, member) => tidy(member),
        }
    }
}

/// A member that may be absent is never null.
fn never_null(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|ty| ty != "null");
        if let [one] = &types[..] {
            let one = one.clone();
            members.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(choices)) = members.get("anyOf")
        && let [one, null] = &choices[..]
        && *null == json!({ "type": "null" })
    {
        let one = one.as_object().expect("an object").clone();
        members.remove("anyOf");
        members.extend(one);
    }
}

/// One `enum` of all values, each with what its description says: generators of clients know no other choice.
fn list_values(members: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = members.get("oneOf") else { return };
    let listed = |choice: &Value| {
        let (value, said) = (choice["const"].as_str()?, choice["description"].as_str()?.replace('\n', " "));
        let said = said.trim_end_matches('.');
        let first = said.get(..1)?.to_lowercase();
        Some((json!(value), format!("- `{value}`: {first}{}", &said[1..])))
    };
    let listed: Option<Vec<_>> = choices.iter().map(listed).collect();
    let (values, lines): (Vec<_>, Vec<_>) = listed.expect("each value says what it means").into_iter().unzip();
    let before = members.get("description").and_then(Value::as_str).map(|said| format!("{said}\n\n"));
    let description = format!("{}{}\n", before.unwrap_or_default(), lines.join("\n"));
    *members = Map::from_iter([
        ("description".to_owned(), json!(description)),
        ("type".to_owned(), json!("string")),
        ("enum".to_owned(), Value::Array(values)),
    ]);
}

/// The longest line.
const WIDTH: usize = 120;

/// As YAML, in the manner of the rest of the file: on one line what fits there.
fn write(yaml: &mut String, depth: usize, name: &str, schema: &Value) {
    let indent = "  ".repeat(depth);
    let name = &key(name);
    let line = format!("{indent}{name}: {}\n", flow(schema));
    let has_lines = schema.to_string().contains("\\n");
    match schema {
        Value::Object(members) if depth == 2 || has_lines || line.len() > WIDTH => {
            writeln!(yaml, "{indent}{name}:").expect("text takes text");
            ordered(members).for_each(|(name, member)| write(yaml, depth + 1, name, member));
        }
        Value::Array(items) if line.len() > WIDTH => {
            writeln!(yaml, "{indent}{name}:").expect("text takes text");
            for item in items {
                writeln!(yaml, "{indent}  - {}", flow(item)).expect("text takes text");
            }
        }
        Value::String(text) if text.contains('\n') => {
            writeln!(yaml, "{indent}{name}: |").expect("text takes text");
            for line in text.lines() {
                writeln!(yaml, "{}", format!("{indent}  {line}").trim_end()).expect("text takes text");
            }
        }
        _ => yaml.push_str(&line),
    }
}

/// What a schema is for comes first, and what is in it last.
fn ordered(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    const FIRST: [&str; 5] = ["description", "type", "required", "additionalProperties", "properties"];
    let named = FIRST.into_iter().filter_map(|name| members.get_key_value(name));
    named.chain(members.iter().filter(|(name, _)| !FIRST.contains(&name.as_str())))
}

/// Whether some readers of YAML take the word for another value than a text, also where a member's name stands.
fn means_more(word: &str) -> bool {
    ["null", "true", "false", "yes", "no", "on", "off"].contains(&word)
}

fn key(name: &str) -> String {
    if means_more(name) { json!(name).to_string() } else { name.to_owned() }
}

fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let member = |(name, member): (&String, &Value)| format!("{}: {}", key(name), flow(member));
            format!("{{ {} }}", ordered(members).map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        // What YAML could take for something else than text is in quotes.
        Value::String(text) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || " ._;()/-'`".contains(c);
            let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
            if is_word && !means_more(text) { text.clone() } else { value.to_string() }
        }
        _ => value.to_string(),
    }
}

#[test]
fn the_schemas_of_answers_are_those_of_the_types() {
    let generated = generated();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.yaml");
    let text = fs::read_to_string(path).expect("openapi.yaml");
    let (by_hand, below) = text.split_once(MARK).expect("the line above what is generated");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        let mut yaml = by_hand.to_owned() + MARK;
        for (name, schema) in &generated {
            write(&mut yaml, 2, name, schema);
        }
        return fs::write(path, yaml).expect("openapi.yaml is written");
    }
    // As values: the order of members depends on the features that serde_json is built with.
    let described = Description::read().0["components"]["schemas"].as_object().expect("schemas");
    let say = "run UPDATE_OPENAPI=1 cargo nextest run -p tests --test house components";
    for (name, schema) in &generated {
        assert_eq!(described.get(name), Some(schema), "{name} in openapi.yaml is not as its type: {say}");
    }
    let names = below.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(':'));
    let names: Vec<_> = names.filter(|name| !name.starts_with(' ')).collect();
    assert_eq!(names, generated.keys().collect::<Vec<_>>(), "no type has these any more: {say}");
}
