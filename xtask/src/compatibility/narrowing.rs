//! Where a schema accepts less than another: the keywords that `schemars` generates, and no others.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A place where a value that fits the first schema may not fit the second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Narrowed {
    /// JSON pointer into the second schema, or to where it would be there.
    pub pointer: String,
    pub what: String,
}

/// What holds for members that a schema's `properties` do not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsaid {
    /// They are sent as far as `additionalProperties` lets them.
    MayBeSent,
    /// Nobody writes them: the first schema is generated from the type that writes.
    IsNotWritten,
}

/// Says of a value nothing that could be checked.
const ANNOTATIONS: [&str; 9] =
    ["$schema", "$defs", "title", "description", "examples", "default", "deprecated", "readOnly", "writeOnly"];

/// What is compared.
const COMPARED: [&str; 23] = [
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "type",
];

/// Where `to` refuses what `from` accepts.
pub fn narrowed(from: &Value, to: &Value, unsaid: Unsaid) -> Vec<Narrowed> {
    let comparison = Comparison { from, to, unsaid, open: BTreeSet::new() };
    comparison.compare(&Place::root(from), &Place::root(to)).into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// A schema within its document.
#[derive(Debug, Clone)]
struct Place {
    schema: Value,
    pointer: String,
}

impl Place {
    fn root(document: &Value) -> Self {
        Self { schema: document.clone(), pointer: String::new() }
    }

    fn at(&self, name: &str) -> String {
        joined(&self.pointer, name)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.schema.get(name)
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    /// The schema under a keyword; where there is none, one that accepts anything.
    fn under(&self, keyword: &str) -> Self {
        Self { schema: self.get(keyword).cloned().unwrap_or(Value::Bool(true)), pointer: self.at(keyword) }
    }

    /// The schema of a member that `properties` names.
    fn property(&self, name: &str) -> Option<Self> {
        let schema = self.get("properties")?.get(name)?.clone();
        Some(Self { schema, pointer: joined(&self.at("properties"), name) })
    }

    fn names(&self, keyword: &str) -> BTreeSet<&str> {
        match self.get(keyword) {
            Some(Value::Object(members)) => members.keys().map(String::as_str).collect(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => BTreeSet::new(),
        }
    }

    fn narrowed(&self, keyword: &str, what: impl Into<String>) -> Narrowed {
        Narrowed { pointer: self.at(keyword), what: what.into() }
    }

    /// The alternatives of `anyOf` or `oneOf`, each with what holds for all of them.
    fn alternatives(&self) -> Option<(&'static str, Vec<Self>)> {
        let keyword = ["anyOf", "oneOf"].into_iter().find(|keyword| self.get(keyword).is_some())?;
        let mut common = self.schema.as_object()?.clone();
        let alternatives = common.remove(keyword)?;
        let with_common = |(nth, alternative): (usize, &Value)| {
            let mut all_of_it = common.clone();
            match alternative {
                Value::Object(members) => all_of_it.extend(members.clone()),
                Value::Bool(false) => return None,
                _ => {}
            }
            Some(Self { schema: Value::Object(all_of_it), pointer: format!("{}/{nth}", self.at(keyword)) })
        };
        Some((keyword, alternatives.as_array()?.iter().enumerate().filter_map(with_common).collect()))
    }
}

/// A JSON pointer one step further.
fn joined(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

struct Comparison<'a> {
    from: &'a Value,
    to: &'a Value,
    unsaid: Unsaid,
    /// Pairs that are being compared: a type that holds itself ends here.
    open: BTreeSet<(String, String)>,
}

impl Comparison<'_> {
    fn compare(&self, from: &Place, to: &Place) -> Vec<Narrowed> {
        if from.schema == Value::Bool(false) || to.schema == Value::Bool(true) {
            return Vec::new();
        }
        if to.schema == Value::Bool(false) {
            return vec![Narrowed { pointer: to.pointer.clone(), what: "nothing is accepted here".to_owned() }];
        }
        let (from, to) = match (followed(self.from, from), followed(self.to, to)) {
            (Ok(from), Ok(to)) => (from, to),
            (Err(fault), _) | (_, Err(fault)) => return vec![fault],
        };
        let unknown: Vec<_> = incomparable(&from).chain(incomparable(&to)).collect();
        if !unknown.is_empty() {
            return unknown;
        }
        let pair = (from.pointer.clone(), to.pointer.clone());
        if self.open.contains(&pair) {
            return Vec::new();
        }
        let mut open = self.open.clone();
        open.insert(pair);
        let inner = Comparison { open, ..*self };
        if let Some((_, alternatives)) = from.alternatives() {
            return alternatives.iter().flat_map(|alternative| inner.compare(alternative, &to)).collect();
        }
        if let Some((keyword, alternatives)) = to.alternatives() {
            let fits = alternatives.iter().any(|alternative| inner.compare(&from, alternative).is_empty());
            return if fits { Vec::new() } else { vec![to.narrowed(keyword, "no alternative accepts all that was")] };
        }
        let mut found = values(&from, &to);
        found.extend(ranges(&from, &to));
        found.extend(same_or_gone(&from, &to));
        if types(&from).contains("object") {
            found.extend(inner.members(&from, &to));
        }
        if types(&from).contains("array") {
            found.extend(inner.compare(&from.under("items"), &to.under("items")));
        }
        found
    }

    fn members(&self, from: &Place, to: &Place) -> Vec<Narrowed> {
        let mut found = Vec::new();
        let sure = from.names("required");
        for name in to.names("required").into_iter().filter(|name| !sure.contains(name)) {
            found.push(to.narrowed("required", format!("{name} is required and was not")));
        }
        let (before, after) = (from.names("properties"), to.names("properties"));
        for name in before.union(&after) {
            let from = from.property(name).or_else(|| self.rest_of(from));
            let to = to.property(name).unwrap_or_else(|| to.under("additionalProperties"));
            if let Some(from) = from {
                found.extend(self.compare(&from, &to));
            }
        }
        if let Some(rest) = self.rest_of(from) {
            found.extend(self.compare(&rest, &to.under("additionalProperties")));
        }
        found
    }

    /// What members may be that `properties` does not name, if there are such. What is generated of a map says so.
    fn rest_of(&self, from: &Place) -> Option<Place> {
        let there_are = self.unsaid == Unsaid::MayBeSent || from.get("additionalProperties").is_some();
        there_are.then(|| from.under("additionalProperties"))
    }
}

/// The schema that a `$ref` leads to, with the annotations beside it left out.
fn followed(document: &Value, place: &Place) -> Result<Place, Narrowed> {
    let mut place = place.clone();
    while let Some(reference) = place.get("$ref").and_then(Value::as_str) {
        let beside = place.schema.as_object().into_iter().flat_map(Map::keys);
        if let Some(keyword) = beside.map(String::as_str).find(|name| *name != "$ref" && !ANNOTATIONS.contains(name)) {
            return Err(place.narrowed(keyword, "beside a $ref it cannot be compared"));
        }
        let target = reference.strip_prefix('#').and_then(|pointer| Some((pointer, document.pointer(pointer)?)));
        let Some((pointer, schema)) = target else {
            return Err(place.narrowed("$ref", format!("{reference} is nowhere in the document")));
        };
        place = Place { schema: schema.clone(), pointer: pointer.to_owned() };
    }
    Ok(place)
}

/// Keywords that this comparison knows nothing of.
fn incomparable(place: &Place) -> impl Iterator<Item = Narrowed> {
    let keywords = place.schema.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    let unknown = keywords.filter(|keyword| !ANNOTATIONS.contains(keyword) && !COMPARED.contains(keyword));
    unknown.map(|keyword| place.narrowed(keyword, "this keyword cannot be compared")).collect::<Vec<_>>().into_iter()
}

/// `type`, `enum` and `const`.
fn values(from: &Place, to: &Place) -> Vec<Narrowed> {
    let mut found = Vec::new();
    if let Some(allowed) = listed(to) {
        let keyword = if to.get("const").is_some() { "const" } else { "enum" };
        match listed(from) {
            None => found.push(to.narrowed(keyword, "only these values are accepted, and others were")),
            Some(values) => found.extend(
                values
                    .iter()
                    .filter(|value| !allowed.contains(value))
                    .map(|value| to.narrowed(keyword, format!("{value} is not accepted any more"))),
            ),
        }
    }
    let allowed = types(to);
    for ty in types(from) {
        let fits = allowed.contains(ty) || (ty == "integer" && allowed.contains("number"));
        // A list of values says more than its type.
        if !fits && !listed(from).is_some_and(|values| values.iter().all(|value| type_of(value) != ty)) {
            found.push(to.narrowed("type", format!("{ty} is not accepted any more")));
        }
    }
    found
}

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

fn types(place: &Place) -> BTreeSet<&str> {
    match place.get("type") {
        Some(Value::String(ty)) => BTreeSet::from([ty.as_str()]),
        Some(_) => place.names("type"),
        None => TYPES.into(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn listed(place: &Place) -> Option<Vec<&Value>> {
    match (place.get("const"), place.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(values)) => Some(values.as_array()?.iter().collect()),
        (None, None) => None,
    }
}

/// Numbers, lengths and counts.
fn ranges(from: &Place, to: &Place) -> Vec<Narrowed> {
    let mut found = Vec::new();
    let counted = [
        ("string", "minLength", "maxLength"),
        ("array", "minItems", "maxItems"),
        ("object", "minProperties", "maxProperties"),
    ];
    for (_, least, most) in counted.into_iter().filter(|(ty, ..)| types(from).contains(ty)) {
        let (before, after) = (from.number(least).unwrap_or(0.0), to.number(least).unwrap_or(0.0));
        if after > before {
            found.push(to.narrowed(least, format!("it was {before}")));
        }
        if let Some(after) = to.number(most)
            && from.number(most).is_none_or(|before| before > after)
        {
            found.push(to.narrowed(most, "it was more, or had no limit"));
        }
    }
    if types(from).contains("integer") || types(from).contains("number") {
        let (before, after) = (Limits::of(from), Limits::of(to));
        if is_beyond(after.least, before.least, after.above && !before.above) {
            found.push(to.narrowed(after.least_by, "smaller numbers were accepted"));
        }
        if is_beyond(-after.most, -before.most, after.below && !before.below) {
            found.push(to.narrowed(after.most_by, "larger numbers were accepted"));
        }
    }
    found
}

/// Whether a lower bound rose, or stayed and does not take its own number any more.
fn is_beyond(after: f64, before: f64, excludes_itself: bool) -> bool {
    match after.total_cmp(&before) {
        Ordering::Greater => true,
        Ordering::Equal => excludes_itself,
        Ordering::Less => false,
    }
}

/// Between which numbers a number must be, by its keywords and by the Rust type that `format` names.
struct Limits {
    least: f64,
    least_by: &'static str,
    /// `least` itself is too small.
    above: bool,
    most: f64,
    most_by: &'static str,
    below: bool,
}

impl Limits {
    fn of(place: &Place) -> Self {
        let (least, most) =
            place.get("format").and_then(Value::as_str).and_then(of_rust).unwrap_or((f64::MIN, f64::MAX));
        let mut limits = Self { least, least_by: "format", above: false, most, most_by: "format", below: false };
        for (keyword, above) in [("minimum", false), ("exclusiveMinimum", true)] {
            if let Some(least) = place.number(keyword).filter(|least| *least >= limits.least) {
                (limits.least, limits.least_by, limits.above) = (least, keyword, above);
            }
        }
        for (keyword, below) in [("maximum", false), ("exclusiveMaximum", true)] {
            if let Some(most) = place.number(keyword).filter(|most| *most <= limits.most) {
                (limits.most, limits.most_by, limits.below) = (most, keyword, below);
            }
        }
        limits
    }
}

/// What a Rust integer holds, by the name that its schema has as `format`.
fn of_rust(format: &str) -> Option<(f64, f64)> {
    let bits = |prefix: &str| format.strip_prefix(prefix)?.parse::<i32>().ok();
    if let Some(bits) = bits("uint") {
        return Some((0.0, 2_f64.powi(bits)));
    }
    let half = 2_f64.powi(bits("int")? - 1);
    Some((-half, half))
}

/// Keywords of which nobody can tell which of two is narrower: they stay, or they go.
fn same_or_gone(from: &Place, to: &Place) -> Vec<Narrowed> {
    let mut found = Vec::new();
    for keyword in ["pattern", "format", "multipleOf"] {
        let (before, after) = (from.get(keyword), to.get(keyword));
        // That of a number is a range.
        let is_range = keyword == "format" && after.and_then(Value::as_str).is_some_and(|name| of_rust(name).is_some());
        if after.is_some() && after != before && !is_range {
            found.push(to.narrowed(keyword, "it is another one, or there was none"));
        }
    }
    found
}
