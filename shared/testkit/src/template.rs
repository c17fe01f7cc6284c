//! What `template.yaml` and the stack of connections nested in it say: the tables that they declare, and single settings.

use std::sync::LazyLock;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

/// A table of the project.
#[derive(Debug)]
pub(crate) struct Table {
    /// The logical id without `Table`, in kebab case: `ReadModelsTable` is `read-models`.
    pub name: String,
    /// Partition key and, if there is one, sort key.
    pub keys: Vec<String>,
    /// What its stream hands out, if it has one: `NEW_IMAGE`, …
    pub stream_view: Option<String>,
    /// The attribute that says when an item expires.
    pub time_to_live: Option<String>,
    properties: Value,
}

/// Parsed once a process.
static WHOLE: LazyLock<Value> = LazyLock::new(|| template_json(include_str!("../../../template.yaml")));
/// All tables.
pub(crate) static TEMPLATE: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let live = template_json(include_str!("../../../live.yaml"));
    [&*WHOLE, &live].into_iter().flat_map(tables).collect()
});

/// All values that `template.yaml` gives this key, wherever it stands. Of an intrinsic function, its arguments:
/// `!If [IsProduction, 90, 14]` is that list.
pub fn template_values(key: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut open = vec![&*WHOLE];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                values.extend(members.get(key).cloned());
                open.extend(members.values());
            }
            Value::Array(elements) => open.extend(elements),
            _ => {}
        }
    }
    values
}

impl Table {
    pub fn create_request(&self) -> Value {
        let mut request = json!({ "TableName": self.name, "BillingMode": "PAY_PER_REQUEST" });
        for property in ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
            if let Some(value) = self.properties.get(property) {
                request[property] = value.as_array().into_iter().flatten().filter_map(by_default).collect();
            }
        }
        if self.stream_view.is_some() {
            // Both images, so that a write that changed nothing can be told: DynamoDB streams none.
            request["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" });
        }
        request
    }
}

/// What stands in a list if no parameter is given: of an `!If`, its last branch; nothing if that is `AWS::NoValue`.
fn by_default(element: &Value) -> Option<Value> {
    let branch = element.as_array().map_or(Some(element), |branches| branches.last());
    branch.filter(|branch| branch.is_object()).cloned()
}

/// The `AWS::DynamoDB::Table` resources of a template. Everything else in it is ignored,
/// intrinsic functions (`!If`, `Fn::ForEach`) included.
fn tables(template: &Value) -> Vec<Table> {
    let resources = template["Resources"].as_object().expect("template.yaml has Resources");
    resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::DynamoDB::Table")
        .map(|(logical_id, resource)| table(logical_id, &resource["Properties"]))
        .collect()
}

fn table(logical_id: &str, properties: &Value) -> Table {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let expiry = Some(&properties["TimeToLiveSpecification"]).filter(|expiry| expiry["Enabled"] == true);
    Table {
        name: kebab_case(logical_id.strip_suffix("Table").unwrap_or(logical_id)),
        keys: properties["KeySchema"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|key| text(&key["AttributeName"]))
            .collect(),
        stream_view: text(&properties["StreamSpecification"]["StreamViewType"]),
        time_to_live: expiry.and_then(|expiry| text(&expiry["AttributeName"])),
        properties: properties.clone(),
    }
}

fn kebab_case(camel: &str) -> String {
    let mut kebab = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

/// A template as JSON, its tags left out: `!Ref Stage` is the text `Stage`, and `!If [A, b, c]` is a list.
///
/// # Panics
/// If it is not YAML.
pub fn template_json(template: &str) -> Value {
    let documents = Yaml::load_from_str(template).expect("a template is YAML");
    documents.first().map(to_json).unwrap_or_default()
}

/// YAML without its tags: `!Ref Stage` is the text `Stage`.
fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) | Yaml::Representation(value, ..) => json!(value),
        Yaml::Sequence(values) => values.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => {
            let text = |key: &Yaml<'_>| key.as_str().map(str::to_owned);
            Value::Object(entries.iter().filter_map(|(key, value)| Some((text(key)?, to_json(value)))).collect())
        }
        Yaml::Tagged(_, value) => to_json(value),
        Yaml::Value(Scalar::Null) | Yaml::Alias(_) | Yaml::BadValue => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_past_intrinsic_functions_and_other_resources() {
        let tables = tables(&template_json(
            "
            Resources:
              Fn::ForEach::Contexts:
                - Context
                - !Ref Contexts
                - '${Context}Queue': { Type: AWS::SQS::Queue }
              BigThingsTable:
                Type: AWS::DynamoDB::Table
                DeletionPolicy: !If [IsProduction, Retain, Delete]
                Properties:
                  DeletionProtectionEnabled: !If [IsProduction, true, false]
                  AttributeDefinitions:
                    - { AttributeName: thing, AttributeType: S }
                    - { AttributeName: size, AttributeType: N }
                  KeySchema:
                    - { AttributeName: thing, KeyType: HASH }
                    - { AttributeName: size, KeyType: RANGE }
                  StreamSpecification: { StreamViewType: KEYS_ONLY }
            ",
        ));

        let [table] = &tables[..] else { panic!("one table, not {tables:?}") };
        assert_eq!(table.name, "big-things");
        assert_eq!(table.keys, ["thing", "size"]);
        assert_eq!(table.stream_view.as_deref(), Some("KEYS_ONLY"));
        assert_eq!(table.create_request()["AttributeDefinitions"][1]["AttributeType"], "N");
    }
}
