//! What a tenant's schema may cost: bounds that make the time of every validation proportional to the data.
//!
//! A few lines of schema can ask for endless work: a definition that refers to another twice, which refers to a third
//! twice, and so on doubles with each line, and one that refers to itself twice doubles with each level of the data.
//! So references are followed here, once, as a validator would, and counted.

use std::collections::HashMap;

use kernel::cloud_event::strict_json;
use serde_json::Value;

/// Bytes of a schema's text.
const MAX_BYTES: usize = 64 * 1024;

/// Values in a schema, those behind references counted once for each reference.
const MAX_EXPANDED: usize = 10_000;

/// The parsed schema, or why it asks for too much.
pub(crate) fn checked(text: &str) -> Result<Value, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    let document = strict_json(text).map_err(|invalid| invalid.to_string())?;
    Expansion { document: &document, known: HashMap::new(), open: Vec::new() }.cost(&document)?;
    Ok(document)
}

struct Expansion<'a> {
    document: &'a Value,
    known: HashMap<&'a str, usize>,
    open: Vec<&'a str>,
}

impl<'a> Expansion<'a> {
    fn cost(&mut self, value: &'a Value) -> Result<usize, String> {
        let mut cost = 1;
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    cost += match (name.as_str(), member) {
                        ("$ref", Value::String(target)) => self.target(target)?,
                        ("$dynamicRef" | "$recursiveRef", _) => return Err(format!("it uses {name}")),
                        // Below the root it would give the references around it another meaning than here.
                        ("$id", _) if !std::ptr::eq(value, self.document) => {
                            return Err("it uses $id within".to_owned());
                        }
                        _ => self.cost(member)?,
                    };
                }
            }
            Value::Array(items) => {
                for item in items {
                    cost += self.cost(item)?;
                }
            }
            _ => {}
        }
        if cost > MAX_EXPANDED {
            Err(format!("it is larger than {MAX_EXPANDED} values, references followed"))
        } else {
            Ok(cost)
        }
    }

    fn target(&mut self, target: &'a str) -> Result<usize, String> {
        if let Some(cost) = self.known.get(target) {
            return Ok(*cost);
        }
        if self.open.contains(&target) {
            return Err(format!("{target} refers to itself"));
        }
        let pointer = target.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let pointer =
            pointer.ok_or_else(|| format!("it refers to {target}; a reference must be a JSON Pointer within it"))?;
        let value = self.document.pointer(pointer).ok_or_else(|| format!("{target} is not in it"))?;
        self.open.push(target);
        let cost = self.cost(value)?;
        self.open.pop();
        self.known.insert(target, cost);
        Ok(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        checked(text).expect_err("too much")
    }

    #[test]
    fn an_ordinary_schema_is_within_bounds() {
        let text =
            r##"{"$defs":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/$defs/a"},"y":{"$ref":"#/$defs/a"}}}"##;
        assert!(checked(text).is_ok());
    }

    #[test]
    fn references_that_double_are_refused_at_once() {
        let line = |i: usize| {
            format!(r##""d{i}":{{"allOf":[{{"$ref":"#/$defs/d{n}"}},{{"$ref":"#/$defs/d{n}"}}]}}"##, n = i + 1)
        };
        let lines: Vec<_> = (0..60).map(line).collect();
        let text = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d60":true}}}}"##, lines.join(","));
        assert!(refusal(&text).contains("larger than"), "{}", refusal(&text));
    }

    #[test]
    fn recursion_and_references_to_elsewhere_are_refused() {
        assert_eq!(refusal(r##"{"properties":{"x":{"$ref":"#"}}}"##), "# refers to itself");
        assert!(refusal(r#"{"$ref":"https://evil.example/schema"}"#).contains("https://evil.example/schema"));
        assert!(refusal(r#"{"$ref":"file:///etc/passwd"}"#).contains("file:///etc/passwd"));
        assert!(refusal(r##"{"$dynamicRef":"#x"}"##).contains("$dynamicRef"));
        assert!(refusal(&format!("\"{}\"", "x".repeat(70_000))).contains("bytes"));
    }
}
