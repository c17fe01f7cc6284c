//! `DynamoDB`'s typed JSON (`{"S": "x"}`) as the plain JSON a test wants to compare with.

use serde_json::{Number, Value, json};

/// An item's attributes, unwrapped. Sets become arrays, binary stays base64.
pub(crate) fn item(attributes: &Value) -> Value {
    let attributes = attributes.as_object().cloned().unwrap_or_default();
    Value::Object(attributes.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
}

/// An item's attributes as `DynamoDB` types them: the way back, for all but sets and binary.
pub(crate) fn typed(item: &Value) -> Value {
    let attributes = item.as_object().into_iter().flatten();
    Value::Object(attributes.map(|(name, value)| (name.clone(), typed_attribute(value))).collect())
}

fn typed_attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(bool) => json!({ "BOOL": bool }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(items) => json!({ "L": items.iter().map(typed_attribute).collect::<Vec<_>>() }),
        Value::Object(_) => json!({ "M": typed(value) }),
    }
}

fn attribute(value: &Value) -> Value {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "M" => item(value),
        "L" => list(value, attribute),
        "N" => number(value),
        "NS" => list(value, number),
        "NULL" => Value::Null,
        _ => value.clone(),
    }
}

fn list(values: &Value, each: impl Fn(&Value) -> Value) -> Value {
    values.as_array().map(|values| values.iter().map(each).collect()).unwrap_or_default()
}

/// A number that JSON numbers cannot hold exactly stays text.
fn number(value: &Value) -> Value {
    let text = value.as_str().unwrap_or_default();
    text.parse::<Number>().map_or_else(|_| value.clone(), Value::Number)
}

/// Sorts items by these attributes, numbers as numbers.
pub(crate) fn sort_by(items: &mut [Value], keys: &[String]) {
    items.sort_by(|left, right| {
        keys.iter()
            .map(|key| compare(&left[key], &right[key]))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
}

fn compare(left: &Value, right: &Value) -> std::cmp::Ordering {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right),
        _ => left.as_str().cmp(&right.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_reads_back_from_its_types() {
        let plain = json!({ "a": "x", "b": 12, "c": null, "d": false, "e": [1, { "f": "y" }] });
        assert_eq!(typed(&plain)["e"], json!({ "L": [{ "N": "1" }, { "M": { "f": { "S": "y" } } }] }));
        assert_eq!(item(&typed(&plain)), plain);
    }

    #[test]
    fn an_item_is_unwrapped_at_every_depth() {
        let typed = json!({
            "a": { "S": "x" }, "b": { "N": "12" }, "c": { "NULL": true }, "d": { "BOOL": false },
            "e": { "L": [{ "N": "1.5" }, { "M": { "f": { "SS": ["y"] } } }] }, "g": { "NS": ["1", "2"] },
        });

        let plain = json!({
            "a": "x", "b": 12, "c": null, "d": false, "e": [1.5, { "f": ["y"] }], "g": [1, 2],
        });
        assert_eq!(item(&typed), plain);
    }

    #[test]
    fn items_are_sorted_by_number_where_the_key_is_one() {
        let mut items = vec![json!({ "id": "a", "n": 10 }), json!({ "id": "a", "n": 9 })];

        sort_by(&mut items, &["id".to_owned(), "n".to_owned()]);

        assert_eq!(items[0]["n"], 9);
    }
}
