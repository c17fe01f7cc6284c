//! What a tenant's schema may cost: bounds on compiling it, and on what it and the data come to together.
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

/// How deep it nests, references followed: compiling it and checking by it recurse as deep.
const MAX_DEPTH: usize = 64;

/// Keywords that have the schemas beside them evaluated once more, to see what those left over; and by how much a schema
/// that has one counts for it. Nested in one another they multiply: threefold a level, as measured.
const EVALUATED_AGAIN: [&str; 2] = ["unevaluatedItems", "unevaluatedProperties"];
const TIMES: usize = 4;

/// Regular expressions in a schema, counted as its values are. Each may weigh what [`super::PATTERN_BUDGET`] says.
const MAX_PATTERNS: usize = 100;

/// Values of a schema times values of the data: what a check may come to at the worst, well under a second.
const MAX_WORK: usize = 20_000_000;

/// Patterns of a schema times bytes of the data's text. Any pattern is linear; the worst one goes through a thousand
/// states for each byte.
const MAX_MATCHING: usize = 500_000;

/// A schema that may be compiled.
#[derive(Debug)]
pub(crate) struct Checked {
    pub document: Value,
    pub weight: Weight,
}

/// What checking by a schema may cost for each value and each byte of the data.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Weight {
    values: usize,
    patterns: usize,
}

impl Weight {
    pub fn allows(self, data: &Value) -> bool {
        let size = Size::of(data);
        self.values.saturating_mul(size.values) <= MAX_WORK && self.patterns.saturating_mul(size.bytes) <= MAX_MATCHING
    }
}

/// How many values there are in the data, and how much text.
#[derive(Default)]
struct Size {
    values: usize,
    bytes: usize,
}

impl Size {
    fn of(data: &Value) -> Self {
        let mut size = Self::default();
        size.add(data);
        size
    }

    /// Recurses as deep as the data nests, which is not deep.
    fn add(&mut self, data: &Value) {
        self.values += 1;
        match data {
            Value::String(text) => self.bytes += text.len(),
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(members) => {
                for (name, member) in members {
                    self.bytes += name.len();
                    self.add(member);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The parsed schema, or why it asks for too much.
pub(crate) fn checked(text: &str) -> Result<Checked, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    let document = strict_json(text).map_err(|invalid| invalid.to_string())?;
    let extent = Expansion { document: &document, known: HashMap::new(), open: Vec::new() }.extent(&document, 1)?;
    let Extent { values, patterns, .. } = extent;
    Ok(Checked { weight: Weight { values, patterns }, document })
}

struct Expansion<'a> {
    document: &'a Value,
    known: HashMap<&'a str, Extent>,
    open: Vec<&'a str>,
}

/// What a value comes to, with everything that it refers to.
#[derive(Clone, Copy)]
struct Extent {
    values: usize,
    depth: usize,
    patterns: usize,
}

impl Extent {
    fn add(&mut self, inner: Self) {
        self.values += inner.values;
        self.depth = self.depth.max(inner.depth + 1);
        self.patterns += inner.patterns;
    }
}

impl<'a> Expansion<'a> {
    /// `level` is how deep the value stands, from 1.
    fn extent(&mut self, value: &'a Value, level: usize) -> Result<Extent, String> {
        let mut extent = Extent { values: 1, depth: 1, patterns: 0 };
        within_depth(level, extent)?;
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    extent.add(match (name.as_str(), member) {
                        ("$ref", Value::String(target)) => self.target(target, level + 1)?,
                        ("$dynamicRef" | "$recursiveRef", _) => return Err(format!("it uses {name}")),
                        // Below the root it would give the references around it another meaning than here.
                        ("$id", _) if !std::ptr::eq(value, self.document) => {
                            return Err("it uses $id within".to_owned());
                        }
                        _ => self.extent(member, level + 1)?,
                    });
                    extent.patterns += match (name.as_str(), member) {
                        ("pattern", Value::String(_)) => 1,
                        ("patternProperties", Value::Object(patterns)) => patterns.len(),
                        _ => 0,
                    };
                }
                for _ in EVALUATED_AGAIN.iter().filter(|keyword| members.contains_key(**keyword)) {
                    extent.values *= TIMES;
                }
            }
            Value::Array(items) => {
                for item in items {
                    extent.add(self.extent(item, level + 1)?);
                }
            }
            _ => {}
        }
        if extent.values > MAX_EXPANDED {
            Err(format!("it is larger than {MAX_EXPANDED} values, references followed"))
        } else if extent.patterns > MAX_PATTERNS {
            Err(format!("it has more than {MAX_PATTERNS} patterns, references followed"))
        } else {
            Ok(extent)
        }
    }

    fn target(&mut self, target: &'a str, level: usize) -> Result<Extent, String> {
        if let Some(extent) = self.known.get(target) {
            return within_depth(level, *extent).map(|()| *extent);
        }
        if self.open.contains(&target) {
            return Err(format!("{target} refers to itself"));
        }
        let pointer = target.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        // The validator undoes percent-encoding and would follow another reference than the one that is counted here.
        let pointer = pointer.filter(|pointer| !pointer.contains('%')).ok_or_else(|| {
            format!("it refers to {target}; a reference must be a JSON Pointer within it, without percent-encoding")
        })?;
        let value = self.document.pointer(pointer).ok_or_else(|| format!("{target} is not in it"))?;
        self.open.push(target);
        let extent = self.extent(value, level)?;
        self.open.pop();
        self.known.insert(target, extent);
        Ok(extent)
    }
}

fn within_depth(level: usize, extent: Extent) -> Result<(), String> {
    if level + extent.depth - 1 > MAX_DEPTH {
        return Err(format!("it nests deeper than {MAX_DEPTH} levels, references followed"));
    }
    Ok(())
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
        let lines: Vec<_> = (0..15).map(line).collect();
        let text = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d15":true}}}}"##, lines.join(","));
        assert!(refusal(&text).contains("larger than"), "{}", refusal(&text));
    }

    #[test]
    fn recursion_and_references_to_elsewhere_are_refused() {
        assert_eq!(refusal(r##"{"properties":{"x":{"$ref":"#"}}}"##), "# refers to itself");
        assert!(refusal(r#"{"$ref":"https://evil.example/schema"}"#).contains("https://evil.example/schema"));
        assert!(refusal(r#"{"$ref":"file:///etc/passwd"}"#).contains("file:///etc/passwd"));
        assert!(refusal(r##"{"$dynamicRef":"#x"}"##).contains("$dynamicRef"));
        assert!(refusal(r##"{"$ref":"#/$defs/%61"}"##).contains("percent-encoding"));
        assert!(refusal(&format!("\"{}\"", "x".repeat(70_000))).contains("bytes"));
    }

    #[test]
    fn a_chain_of_references_is_as_deep_as_it_is_long() {
        let chain = |links: usize| {
            let link = |i: usize| format!(r##""d{i}":{{"$ref":"#/$defs/d{}"}}"##, i + 1);
            let links: Vec<_> = (0..links).map(link).collect();
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d{}":true}}}}"##, links.join(","), links.len())
        };
        assert!(checked(&chain(60)).is_ok());
        assert!(refusal(&chain(70)).contains("deeper than 64"), "{}", refusal(&chain(70)));
        assert!(refusal(&chain(2000)).contains("deeper than 64"));
    }

    #[test]
    fn patterns_are_counted_wherever_they_are() {
        let property = |i: usize| format!(r#""p{i}":{{"pattern":"a","patternProperties":{{"b":true}}}}"#);
        let schema = |count: usize| {
            format!(r#"{{"properties":{{{}}}}}"#, (0..count).map(property).collect::<Vec<_>>().join(","))
        };
        assert!(checked(&schema(50)).is_ok());
        assert!(refusal(&schema(51)).contains("100 patterns"), "{}", refusal(&schema(51)));
    }
}
