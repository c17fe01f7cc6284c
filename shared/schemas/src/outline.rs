//! A schema as what is done with data by it: which of its keywords apply to a value, and which schemas to the value's parts.
//!
//! Only where the specification has keywords are they read as such (JSON Schema 2020-12, core sections 8 and 10, validation
//! section 6). What stands in `const`, `enum`, `default` or `examples` is data, and the members of `properties` are names.

use std::collections::HashMap;
use std::ptr;

use serde_json::{Map, Number, Value};

use crate::patterns::Weight;

/// The draft that every schema is read in.
pub(crate) const DRAFT: &str = "JSON Schema 2020-12";

/// Others that a schema may say it is written in, by how `$schema` goes on after `//json-schema.org/`.
const OTHER_DRAFTS: [&str; 7] =
    ["draft-00", "draft-03", "draft-04", "draft-05", "draft-06", "draft-07", "draft/2019-09"];

/// A schema, and all that it refers to.
pub(crate) struct Outline {
    /// The first one is the schema itself.
    pub nodes: Vec<Node>,
}

/// What is done with text, other than matching patterns.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    #[default]
    None,
    /// It is gone through, for its length or a format.
    Once,
    /// It must be a regular expression.
    AsPattern,
}

/// One schema within another. Schemas are named by their places in [`Outline::nodes`].
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// The JSON values that it has of its own, keywords and what they are set to.
    pub size: usize,
    /// What it is referred to by, if it is.
    pub pointer: Option<String>,
    /// Keywords that assert something, each name of `required` counted.
    pub assertions: usize,
    /// Values and text that `enum` and `const` compare with, in steps.
    pub compared: usize,
    pub unique_items: bool,
    /// Of `multipleOf`, if there is one, how many powers of ten it is from one.
    pub multiple: Option<usize>,
    pub text: Reading,
    /// What the patterns for text weigh.
    pub patterns: Vec<Weight>,
    /// Keywords that have this schema's others evaluated once more, to see what those left over.
    pub evaluated_again: u32,
    /// Applied to the same value, such as those of `allOf`.
    pub in_place: Vec<usize>,
    /// Whether some of those are tried before their complaints are listed.
    pub tries: bool,
    pub properties: HashMap<String, usize>,
    /// Schemas for members by pattern, with what the pattern weighs.
    pub pattern_properties: Vec<(Weight, usize)>,
    /// For members that none of those take, and for all members.
    pub other_members: Vec<usize>,
    pub every_member: Vec<usize>,
    pub names: Vec<usize>,
    pub first_items: Vec<usize>,
    /// For items behind those, and for all items.
    pub other_items: Vec<usize>,
    pub every_item: Vec<usize>,
}

impl Node {
    /// The schemas right within.
    pub fn within(&self) -> impl Iterator<Item = usize> {
        let lists = [
            &self.in_place,
            &self.other_members,
            &self.every_member,
            &self.names,
            &self.first_items,
            &self.other_items,
            &self.every_item,
        ];
        let listed = lists.into_iter().flatten().copied();
        listed.chain(self.properties.values().copied()).chain(self.pattern_properties.iter().map(|(_, node)| *node))
    }

    /// What its own patterns weigh.
    pub fn own_patterns(&self) -> impl Iterator<Item = Weight> {
        self.patterns.iter().copied().chain(self.pattern_properties.iter().map(|(weight, _)| *weight))
    }
}

impl Outline {
    /// `weigh` says what a pattern weighs, or why it cannot be used.
    pub fn of(document: &Value, weigh: &mut dyn FnMut(&str) -> Result<Weight, String>) -> Result<Self, String> {
        expect_draft(document)?;
        let nodes = vec![Node::default()];
        let known = HashMap::from([(ptr::from_ref(document), 0)]);
        let mut reader = Reader { document, nodes, known, unread: Vec::new(), weigh };
        reader.fill(0, document)?;
        while let Some((node, schema)) = reader.unread.pop() {
            reader.fill(node, schema)?;
        }
        Ok(Self { nodes: reader.nodes })
    }
}

/// A draft that is not known is not minded: it may be this one under another name.
fn expect_draft(document: &Value) -> Result<(), String> {
    let Some(said) = document.get("$schema").and_then(Value::as_str) else { return Ok(()) };
    let draft = said.split_once("//json-schema.org/").map_or("", |(_, draft)| draft);
    let another = OTHER_DRAFTS.iter().any(|other| draft.starts_with(other)) || draft.trim_end_matches('#') == "schema";
    if another { Err(format!("its $schema is {said}; schemas are read as {DRAFT}")) } else { Ok(()) }
}

struct Reader<'a, 'w> {
    document: &'a Value,
    nodes: Vec<Node>,
    /// By where their schemas are, so that none is read twice.
    known: HashMap<*const Value, usize>,
    /// Targets are read one after the other, not within one another: a chain of them may be long.
    unread: Vec<(usize, &'a Value)>,
    weigh: &'w mut dyn FnMut(&str) -> Result<Weight, String>,
}

impl<'a> Reader<'a, '_> {
    fn schema(&mut self, schema: &'a Value) -> Result<usize, String> {
        if let Some(known) = self.known.get(&ptr::from_ref(schema)) {
            return Ok(*known);
        }
        let node = self.add(schema);
        self.fill(node, schema)?;
        Ok(node)
    }

    fn add(&mut self, schema: &'a Value) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node::default());
        self.known.insert(ptr::from_ref(schema), node);
        node
    }

    fn schemas(&mut self, list: &'a Value) -> Result<Vec<usize>, String> {
        list.as_array().into_iter().flatten().map(|schema| self.schema(schema)).collect()
    }

    /// By name.
    fn named(&mut self, members: &'a Value) -> Result<Vec<(&'a String, usize)>, String> {
        members.as_object().into_iter().flatten().map(|(name, schema)| Ok((name, self.schema(schema)?))).collect()
    }

    fn fill(&mut self, at: usize, schema: &'a Value) -> Result<(), String> {
        let mut node = Node { size: 1, ..Node::default() };
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            node.size += 1;
            if !(self.holds_schemas(&mut node, keyword, value)? || self.refers(&mut node, keyword, value)?) {
                node.size += values_in(value);
                self.asserts(&mut node, keyword, value)?;
            }
        }
        if !ptr::eq(schema, self.document) && schema.get("$id").is_some() {
            // It would give the references around it another meaning than here.
            return Err("it uses $id within".to_owned());
        }
        node.pointer = self.nodes[at].pointer.take();
        self.nodes[at] = node;
        Ok(())
    }

    /// Keywords that apply schemas (core, section 10), and those that only hold some.
    fn holds_schemas(&mut self, node: &mut Node, keyword: &str, value: &'a Value) -> Result<bool, String> {
        match keyword {
            "items" if value.is_array() => {
                return Err(format!("it uses items with a list, as older drafts do; in {DRAFT} that is prefixItems"));
            }
            "allOf" => node.in_place.extend(self.schemas(value)?),
            "anyOf" | "oneOf" => {
                node.tries = true;
                node.in_place.extend(self.schemas(value)?);
            }
            "not" | "if" => {
                node.tries = true;
                node.in_place.push(self.schema(value)?);
            }
            "then" | "else" => node.in_place.push(self.schema(value)?),
            // The latter is of older drafts, and the validator goes on taking it.
            "dependentSchemas" | "dependencies" => {
                let of_members = self.named(value)?;
                node.assertions += value.as_object().map_or(0, |members| members.values().map(values_in).sum());
                node.in_place.extend(of_members.into_iter().map(|(_, schema)| schema));
            }
            "properties" => {
                let of_members = self.named(value)?;
                node.assertions += of_members.len();
                node.properties = of_members.into_iter().map(|(name, schema)| (name.clone(), schema)).collect();
            }
            "patternProperties" => {
                for (pattern, schema) in self.named(value)? {
                    node.pattern_properties.push(((self.weigh)(pattern)?, schema));
                }
            }
            "additionalProperties" => node.other_members.push(self.schema(value)?),
            "unevaluatedProperties" => {
                node.evaluated_again += 1;
                node.every_member.push(self.schema(value)?);
            }
            "propertyNames" => node.names.push(self.schema(value)?),
            "prefixItems" => node.first_items = self.schemas(value)?,
            "items" => node.other_items.push(self.schema(value)?),
            "contains" => {
                node.tries = true;
                node.every_item.push(self.schema(value)?);
            }
            "unevaluatedItems" => {
                node.evaluated_again += 1;
                node.every_item.push(self.schema(value)?);
            }
            // Applied by reference only; and of strings that hold JSON, which nobody looks into.
            "$defs" | "definitions" => drop(self.named(value)?),
            "contentSchema" => _ = self.schema(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn refers(&mut self, node: &mut Node, keyword: &str, value: &'a Value) -> Result<bool, String> {
        match (keyword, value) {
            ("$ref", Value::String(target)) => node.in_place.push(self.target(target)?),
            ("$dynamicRef" | "$recursiveRef", _) => return Err(format!("it uses {keyword}")),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Keywords that assert something of the value itself (validation, section 6).
    fn asserts(&mut self, node: &mut Node, keyword: &str, value: &Value) -> Result<(), String> {
        match (keyword, value) {
            ("title" | "description" | "default" | "examples" | "$comment" | "$schema" | "$id" | "$anchor", _) => {
                return Ok(());
            }
            ("enum" | "const", _) => node.compared += steps_to_compare(value),
            ("pattern", Value::String(pattern)) => node.patterns.push((self.weigh)(pattern)?),
            ("format", _) if value == "regex" => node.text = Reading::AsPattern,
            ("minLength" | "maxLength" | "format", _) if node.text == Reading::None => node.text = Reading::Once,
            ("multipleOf", Value::Number(number)) => node.multiple = Some(powers_of_ten(number)),
            ("uniqueItems", _) => node.unique_items |= value == true,
            _ => {}
        }
        node.assertions += values_in(value);
        Ok(())
    }

    fn target(&mut self, target: &str) -> Result<usize, String> {
        let pointer = target.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        // The validator undoes percent-encoding and would follow another reference than the one that is read here.
        let pointer = pointer.filter(|pointer| !pointer.contains('%')).ok_or_else(|| {
            format!("it refers to {target}; a reference must be a JSON Pointer within it, without percent-encoding")
        })?;
        let schema = self.document.pointer(pointer).ok_or_else(|| format!("{target} is not in it"))?;
        self.expect_no_id_above(pointer)?;
        let node = if let Some(known) = self.known.get(&ptr::from_ref(schema)) {
            *known
        } else {
            let node = self.add(schema);
            self.unread.push((node, schema));
            node
        };
        self.nodes[node].pointer.get_or_insert_with(|| target.to_owned());
        Ok(node)
    }

    /// A pointer may lead through places where no keywords are.
    fn expect_no_id_above(&self, pointer: &str) -> Result<(), String> {
        let ends = pointer.match_indices('/').skip(1).map(|(end, _)| end);
        let mut above = ends.filter_map(|end| self.document.pointer(&pointer[..end]));
        if above.any(|value| value.get("$id").is_some_and(Value::is_string)) {
            return Err("it uses $id within".to_owned());
        }
        Ok(())
    }
}

/// This value and all in it.
fn values_in(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values_in).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(values_in).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// How many powers of ten a number is from one, up or down.
pub(crate) fn powers_of_ten(number: &Number) -> usize {
    let size = number.as_f64().filter(|size| *size != 0.0).map_or(0.0, |size| size.abs().log10().abs());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 324")]
    let powers = size as usize;
    powers
}

/// Bytes of text that are gone through in one step.
pub(crate) const BYTES_PER_STEP: usize = 16;

/// What it takes to compare something with this value, or to hash it.
pub(crate) fn steps_to_compare(value: &Value) -> usize {
    let text = |text: &str| 1 + text.len() / BYTES_PER_STEP;
    let members = |members: &Map<String, Value>| {
        members.iter().map(|(name, member)| text(name) + steps_to_compare(member)).sum::<usize>()
    };
    match value {
        Value::String(value) => text(value),
        Value::Array(items) => 1 + items.iter().map(steps_to_compare).sum::<usize>(),
        Value::Object(value) => 1 + members(value),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}
