//! What one request may spend on having its data checked.
//!
//! A check is walked through before it is made, without asking whether anything is valid: each keyword that would be looked
//! at is a step. What comes to more steps than are left is not checked at all. So the worst schema and the worst data cost
//! as much as the budget, whoever wrote them; and so do all events of a batch together.

use serde_json::{Number, Value};

use crate::outline::{BYTES_PER_STEP, Node, Outline, Reading, powers_of_ten, steps_to_compare};
use crate::patterns::Weight;

/// Steps of a request's checks, and as many again to find what is wrong. Most take a few nanoseconds and the worst some forty,
/// so that all of them are a tenth of a second.
const STEPS: usize = 3_000_000;

/// Bytes that may be taken by complaints, of which all are found before the first is listed.
const COMPLAINTS: usize = 16 * 1024 * 1024;

/// What a complaint takes at most, besides its path and what it was compared with.
const COMPLAINT: usize = 512;
const VALUE: usize = 64;

/// How much a schema counts whose keywords are evaluated again, nested in one another: threefold a level, as measured.
const AGAIN: usize = 4;

/// Bytes of text times bytes of a pattern that are gone through in one step: any pattern is linear, and the worst one goes
/// through all its states for each byte.
const PATTERN_PER_STEP: usize = 256;

/// Bytes of text, squared, that are tried as a regular expression in one step.
const REGEX_PER_STEP: usize = 16;

/// What a division takes in steps, and powers of ten between two numbers that make it one step longer.
const DIVISION: usize = 8;
const POWERS_PER_STEP: usize = 2;

/// Items of an array are compared with each other, or hashed.
const UNIQUE: usize = 8;

/// Levels of schemas within schemas that are walked through: enough for any that ends.
const MAX_LEVELS: usize = 256;

/// What is left for a request.
#[derive(Debug)]
pub struct Budget {
    steps: usize,
    listing_steps: usize,
    complaints: usize,
}

impl Budget {
    pub fn for_request() -> Self {
        Self { steps: STEPS, listing_steps: STEPS, complaints: COMPLAINTS }
    }

    /// Takes what a check comes to; false where that is more than there is.
    pub(crate) fn allows_check(&mut self, outline: &Outline, data: &Value) -> bool {
        let mut walk = Walk { outline, steps: &mut self.steps, complaints: None };
        walk.apply(0, data, Place::ROOT).is_some()
    }

    /// Takes what finding all complaints comes to; false where that is more than there is.
    pub(crate) fn allows_listing(&mut self, outline: &Outline, data: &Value) -> bool {
        let mut walk = Walk { outline, steps: &mut self.listing_steps, complaints: Some(&mut self.complaints) };
        walk.apply(0, data, Place::ROOT).is_some()
    }
}

struct Walk<'a> {
    outline: &'a Outline,
    steps: &'a mut usize,
    /// Where complaints are to be listed.
    complaints: Option<&'a mut usize>,
}

/// Where in schema and data.
#[derive(Clone, Copy)]
struct Place {
    /// How often it is looked at.
    times: usize,
    levels: usize,
    /// Bytes of the path into the data.
    path: usize,
}

impl Place {
    const ROOT: Self = Self { times: 1, levels: 0, path: 0 };

    fn below(self, name: usize) -> Self {
        Self { path: self.path + 1 + name, ..self }
    }
}

/// `None` as soon as nothing is left.
impl Walk<'_> {
    fn apply(&mut self, node: usize, value: &Value, place: Place) -> Option<()> {
        let outline = self.outline;
        let node = &outline.nodes[node];
        let times = place.times.saturating_mul(AGAIN.saturating_pow(node.evaluated_again));
        // What is tried is looked at once more where its complaints are listed.
        let times = times + usize::from(node.tries && self.complaints.is_some());
        let place = Place { times, levels: place.levels + 1, ..place };
        if place.levels > MAX_LEVELS {
            return None;
        }
        self.take(times, 1 + node.assertions + node.compared)?;
        if let Some(complaints) = &mut self.complaints {
            let found = (1 + node.assertions) * (COMPLAINT + place.path) + node.compared * VALUE;
            **complaints = complaints.checked_sub(found.saturating_mul(times))?;
        }
        for schema in &node.in_place {
            self.apply(*schema, value, place)?;
        }
        match value {
            Value::String(text) => self.text(node, text, place),
            Value::Array(items) => self.items(node, value, items, place),
            Value::Object(members) => {
                members.iter().try_for_each(|(name, member)| self.member(node, name, member, place))
            }
            Value::Number(number) => self.number(node, number, place),
            Value::Null | Value::Bool(_) => Some(()),
        }
    }

    /// The validator divides exactly, with as many digits as that takes.
    fn number(&mut self, node: &Node, number: &Number, place: Place) -> Option<()> {
        let Some(multiple) = node.multiple else { return Some(()) };
        self.take(place.times, DIVISION + (multiple + powers_of_ten(number)) / POWERS_PER_STEP)
    }

    fn text(&mut self, node: &Node, text: &str, place: Place) -> Option<()> {
        let length = text.len();
        let steps = match node.text {
            Reading::None => 0,
            Reading::Once => length / BYTES_PER_STEP,
            Reading::AsPattern => length.saturating_mul(length) / REGEX_PER_STEP,
        };
        self.take(place.times, steps)?;
        node.patterns.iter().try_for_each(|weight| self.matching(*weight, text, place))
    }

    fn items(&mut self, node: &Node, array: &Value, items: &[Value], place: Place) -> Option<()> {
        self.take(place.times, items.len())?;
        if node.unique_items {
            self.take(place.times, steps_to_compare(array).saturating_mul(UNIQUE))?;
        }
        for (index, item) in items.iter().enumerate() {
            let first = node.first_items.get(index);
            let others = if first.is_some() { &[][..] } else { &node.other_items };
            for schema in first.into_iter().chain(others).chain(&node.every_item) {
                self.apply(*schema, item, place.below(8))?;
            }
        }
        Some(())
    }

    /// Whether a pattern takes the member is not known here, so all do, and what is for the others as well.
    fn member(&mut self, node: &Node, name: &str, member: &Value, place: Place) -> Option<()> {
        self.take(place.times, 1 + name.len() / BYTES_PER_STEP)?;
        if let Some(complaints) = &mut self.complaints {
            // Where it is one too many, its name is repeated.
            **complaints = complaints.checked_sub(name.len().saturating_mul(place.times))?;
        }
        for (weight, _) in &node.pattern_properties {
            self.matching(*weight, name, place)?;
        }
        let below = place.below(name.len());
        let named = node.properties.get(name);
        let others = if named.is_some() { &[][..] } else { &node.other_members };
        let by_pattern = node.pattern_properties.iter().map(|(_, schema)| schema);
        for schema in named.into_iter().chain(others).chain(&node.every_member).chain(by_pattern) {
            self.apply(*schema, member, below)?;
        }
        if !node.names.is_empty() {
            let name = Value::String(name.to_owned());
            node.names.iter().try_for_each(|schema| self.apply(*schema, &name, below))?;
        }
        Some(())
    }

    fn matching(&mut self, weight: Weight, text: &str, place: Place) -> Option<()> {
        self.take(place.times, 1 + weight.matching.saturating_mul(text.len()) / PATTERN_PER_STEP)
    }

    fn take(&mut self, times: usize, steps: usize) -> Option<()> {
        *self.steps = self.steps.checked_sub(steps.saturating_mul(times))?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The steps that checking the data takes; `None` where they are too many.
    fn steps(schema: &Value, data: &Value) -> Option<usize> {
        let outline = Outline::of(schema, &mut |_| Ok(Weight { memory: 4096, matching: 1024 })).expect("a schema");
        let mut budget = Budget::for_request();
        budget.allows_check(&outline, data).then(|| STEPS - budget.steps)
    }

    #[test]
    fn each_keyword_that_meets_a_value_is_a_step() {
        let order = json!({
            "type": "object",
            "required": ["lines"],
            "properties": { "lines": { "items": { "properties": { "quantity": { "type": "integer", "minimum": 1 } } } } },
        });
        let lines = |count: usize| json!({ "lines": vec![json!({ "quantity": 1 }); count] });
        let [none, one, thousand] = [0, 1, 1000].map(|count| steps(&order, &lines(count)).expect("few steps"));
        assert!(none < one && one < 40, "{none}, {one}");
        assert_eq!(thousand, none + 1000 * (one - none));
        assert_eq!(steps(&order, &json!({ "other": vec![1; 1000] })), steps(&order, &json!({ "other": 1 })));
    }

    #[test]
    fn text_is_weighed_by_its_length_and_by_what_is_done_with_it() {
        let long = json!("x".repeat(16_000));
        let of = |schema: Value| steps(&schema, &long).expect("few enough");
        assert!(of(json!({ "type": "string" })) < 10);
        assert!((1000..1010).contains(&of(json!({ "maxLength": 9 }))));
        assert!((64_000..64_010).contains(&of(json!({ "pattern": "x" }))), "a pattern's weight for each byte");
        assert_eq!(steps(&json!({ "format": "regex" }), &long), None, "squared");
        let names = json!({ "x".repeat(16_000): 1 });
        assert!(steps(&json!({ "patternProperties": { "x": true } }), &names).is_some_and(|steps| steps > 64_000));
    }

    #[test]
    fn what_is_compared_or_looked_at_again_is_counted() {
        let numbers = json!(vec![1; 1000]);
        let of = |schema: Value| steps(&schema, &numbers).expect("few enough");
        let plain = of(json!({ "items": true }));
        assert!(of(json!({ "items": { "enum": vec![2; 100] } })) > plain + 100 * 1000);
        assert!(of(json!({ "items": { "const": "x".repeat(1600) } })) > plain + 100 * 1000);
        assert!(of(json!({ "items": { "multipleOf": 1e-300 } })) > plain + 150 * 1000);
        assert!(of(json!({ "items": { "multipleOf": 0.01 } })) < plain + 20 * 1000);
        assert!(of(json!({ "items": true, "uniqueItems": true })) > plain + UNIQUE * 1000);
        assert!(of(json!({ "items": true, "unevaluatedItems": true })) > AGAIN * plain);
        let nested = (0..4).fold(json!(true), |inner, _| json!({ "allOf": [inner], "unevaluatedItems": true }));
        assert!(of(nested) > AGAIN.pow(4) * 1000);
    }

    #[test]
    fn all_checks_of_a_request_come_out_of_one_budget() {
        let outline =
            Outline::of(&json!({ "items": { "minimum": 0 } }), &mut |_| Ok(Weight::default())).expect("a schema");
        let data = json!(vec![1; 100_000]);
        let mut budget = Budget::for_request();
        let allowed = (0..100).filter(|_| budget.allows_check(&outline, &data)).count();
        assert!((5..=12).contains(&allowed), "{allowed}");
        assert!(Budget::for_request().allows_check(&outline, &data), "and the next request has its own");
    }

    #[test]
    fn a_schema_that_refers_to_itself_is_walked_through_as_far_as_the_data_goes() {
        let tree = json!({ "properties": { "child": { "$ref": "#" } } });
        let deep = (0..60).fold(json!({}), |child, _| json!({ "child": child }));
        assert!(steps(&tree, &deep).is_some());
        assert_eq!(steps(&json!({ "allOf": [{ "$ref": "#" }] }), &json!(1)), None, "and not without end");
    }
}
