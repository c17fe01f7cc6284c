//! What a tenant's schema may be: bounds on compiling it, on what it weighs then, and on all of a tenant's together.
//!
//! A few lines of schema can ask for endless work: a definition that refers to another twice, which refers to a third
//! twice, and so on doubles with each line, and one that refers to itself twice doubles with each level of the data.
//! So references are followed here, once, as the compiler does, and counted. What checking by a schema may cost is another
//! matter, and depends on the data: see [`budget`](crate::budget).

use kernel::cloud_event::{first_inexact_number, strict_json};
use serde_json::Value;

use crate::outline::Outline;
use crate::patterns::{Weight, weight};

/// Bytes of a schema's text.
const MAX_BYTES: usize = 64 * 1024;

/// Values in a schema, those behind references counted once for each reference.
const MAX_EXPANDED: usize = 10_000;

/// How deep it nests, references followed: compiling it and checking by it recurse as deep.
const MAX_DEPTH: usize = 64;

/// How much a schema counts that has its keywords evaluated again: nested in one another they multiply.
const TIMES: usize = 4;

/// Regular expressions in a schema, counted as its values are, and what they may weigh together in bytes.
const MAX_PATTERNS: usize = 100;
const MAX_PATTERN_BYTES: usize = 4 * 1024 * 1024;

/// What all schemas of a tenant may come to: about two of the largest.
const ALL: Extent =
    Extent { values: 2 * MAX_EXPANDED, depth: MAX_DEPTH, patterns: 2 * MAX_PATTERNS, weight: 2 * MAX_PATTERN_BYTES };

/// A schema that may be compiled.
pub(crate) struct Bounded {
    pub document: Value,
    pub outline: Outline,
    /// About what it takes in memory once compiled.
    pub bytes: usize,
}

/// What a value of a schema takes in memory, and each byte of its patterns, which are there to be read forwards, backwards and
/// with tables: more than was measured.
const BYTES_PER_VALUE: usize = 1024;
const BYTES_PER_PATTERN_BYTE: usize = 4;

/// What is left of what a tenant's schemas may come to together.
pub(crate) struct Allowance(Extent);

impl Allowance {
    pub fn of_tenant() -> Self {
        Self(ALL)
    }

    /// The parsed schema, or why it asks for too much.
    pub fn take(&mut self, text: &str) -> Result<Bounded, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("it has more than {MAX_BYTES} bytes"));
        }
        let document = strict_json(text).map_err(|invalid| format!("it {}", invalid.detail()))?;
        if let Some(pointer) = first_inexact_number(text) {
            return Err(format!("its number at {pointer} cannot be read exactly"));
        }
        let mut patterns = 0;
        // To weigh one takes far longer than to count it.
        Outline::of(&document, &mut |_| {
            patterns += 1;
            if patterns > MAX_PATTERNS { Err(too_many_patterns()) } else { Ok(Weight::default()) }
        })?;
        let outline = Outline::of(&document, &mut weight)?;
        let nodes = outline.nodes.len();
        let extent =
            Expansion { outline: &outline, known: vec![None; nodes], open: vec![false; nodes] }.extent(0, 1)?;
        self.0 = self.0.less(extent).ok_or("the tenant's schemas are too large together")?;
        let bytes = extent.values * BYTES_PER_VALUE + extent.weight * BYTES_PER_PATTERN_BYTE;
        Ok(Bounded { document, outline, bytes })
    }
}

fn too_many_patterns() -> String {
    format!("it has more than {MAX_PATTERNS} patterns, references followed")
}

/// What a schema comes to, with everything that it refers to.
#[derive(Clone, Copy)]
struct Extent {
    values: usize,
    depth: usize,
    patterns: usize,
    /// Of its patterns, in bytes.
    weight: usize,
}

impl Extent {
    fn add(&mut self, inner: Self) {
        self.values += inner.values;
        self.depth = self.depth.max(inner.depth + 1);
        self.patterns += inner.patterns;
        self.weight += inner.weight;
    }

    fn less(self, other: Self) -> Option<Self> {
        Some(Self {
            values: self.values.checked_sub(other.values)?,
            depth: self.depth,
            patterns: self.patterns.checked_sub(other.patterns)?,
            weight: self.weight.checked_sub(other.weight)?,
        })
    }

    fn within_bounds(self) -> Result<Self, String> {
        if self.values > MAX_EXPANDED {
            Err(format!("it is larger than {MAX_EXPANDED} values, references followed"))
        } else if self.patterns > MAX_PATTERNS {
            Err(too_many_patterns())
        } else if self.weight > MAX_PATTERN_BYTES {
            Err(format!("its patterns weigh more than {MAX_PATTERN_BYTES} bytes once compiled, references followed"))
        } else {
            Ok(self)
        }
    }
}

struct Expansion<'a> {
    outline: &'a Outline,
    known: Vec<Option<Extent>>,
    open: Vec<bool>,
}

impl Expansion<'_> {
    /// `level` is how deep the schema stands, from 1.
    fn extent(&mut self, at: usize, level: usize) -> Result<Extent, String> {
        let node = &self.outline.nodes[at];
        if let Some(extent) = self.known[at] {
            return within_depth(level, extent).map(|()| extent);
        }
        if self.open[at] {
            return Err(format!("{} refers to itself", node.pointer.as_deref().unwrap_or_default()));
        }
        let (patterns, weight) =
            node.own_patterns().fold((0, 0), |(count, sum), weight| (count + 1, sum + weight.memory));
        let mut extent = Extent { values: node.size, depth: 1, patterns, weight };
        within_depth(level, extent)?;
        self.open[at] = true;
        for inner in node.within() {
            extent.add(self.extent(inner, level + 1)?);
            extent.within_bounds()?;
        }
        self.open[at] = false;
        extent.values = extent.values.saturating_mul(TIMES.saturating_pow(node.evaluated_again));
        let extent = extent.within_bounds()?;
        self.known[at] = Some(extent);
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

    fn checked(text: &str) -> Result<(), String> {
        Allowance::of_tenant().take(text).map(|_| ())
    }

    fn refusal(text: &str) -> String {
        checked(text).expect_err("too much")
    }

    #[test]
    fn an_ordinary_schema_is_within_bounds() {
        let text =
            r##"{"$defs":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/$defs/a"},"y":{"$ref":"#/$defs/a"}}}"##;
        assert_eq!(checked(text), Ok(()));
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
        assert_eq!(
            refusal(r##"{"$ref":"#/$defs/a","$defs":{"a":{"items":{"$ref":"#/$defs/a"}}}}"##),
            "#/$defs/a refers to itself"
        );
        assert!(refusal(r#"{"$ref":"https://evil.example/schema"}"#).contains("https://evil.example/schema"));
        assert!(refusal(r#"{"$ref":"file:///etc/passwd"}"#).contains("file:///etc/passwd"));
        assert!(refusal(r##"{"$dynamicRef":"#x"}"##).contains("$dynamicRef"));
        assert!(refusal(r##"{"$ref":"#/$defs/%61"}"##).contains("percent-encoding"));
        assert!(refusal(&format!("\"{}\"", "x".repeat(70_000))).contains("bytes"));
    }

    #[test]
    fn keywords_are_read_only_where_the_specification_has_some() {
        for text in [
            r#"{"type":"object","properties":{"$id":{"type":"string"},"$ref":{"type":"string"},"pattern":{"type":"string"}}}"#,
            r#"{"const":{"$ref":"a"}}"#,
            r#"{"enum":[{"$id":"a"},{"$dynamicRef":"a"},{"items":[1]},{"pattern":"("}]}"#,
            r#"{"default":{"$id":"a"},"examples":[{"$ref":"a","patternProperties":{"(":1}}]}"#,
            r#"{"required":["$id","$ref"],"dependentRequired":{"$ref":["$id"]}}"#,
            r#"{"patternProperties":{"^[$]id$":true},"dependentSchemas":{"$id":true},"$defs":{"$id":true,"$ref":true}}"#,
            r##"{"$id":"https://acme.example/order","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":true}}"##,
        ] {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
        for (text, why) in [
            (r#"{"properties":{"$id":{"$id":"a"}}}"#, "$id within"),
            (r#"{"allOf":[{"not":{"$id":"a"}}]}"#, "$id within"),
            (r#"{"$defs":{"a":{"$id":"a"}}}"#, "$id within"),
            (r##"{"$ref":"#/x/y","x":{"$id":"a","y":true}}"##, "$id within"),
            (r#"{"properties":{"const":{"$ref":"a"}}}"#, "refers to a;"),
            (r##"{"properties":{"enum":{"$dynamicRef":"#a"}}}"##, "$dynamicRef"),
            (r#"{"additionalProperties":{"then":{"pattern":"(?=a)"}}}"#, "look-around"),
            (r#"{"patternProperties":{"(?!a)":true}}"#, "look-around"),
        ] {
            assert!(refusal(text).contains(why), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn what_another_draft_means_is_said_to_be_read_in_this_one() {
        for text in [
            r#"{"items":[{"type":"string"},{"type":"integer"}]}"#,
            r#"{"properties":{"pair":{"type":"array","items":[true],"additionalItems":false}}}"#,
            r#"{"$schema":"http://json-schema.org/draft-07/schema#"}"#,
            r#"{"$schema":"http://json-schema.org/draft-04/schema"}"#,
            r#"{"$schema":"https://json-schema.org/draft/2019-09/schema"}"#,
            r#"{"$schema":"http://json-schema.org/schema#"}"#,
        ] {
            assert!(refusal(text).contains("JSON Schema 2020-12"), "{text}: {}", refusal(text));
        }
        for text in [
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema"}"#,
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema#","prefixItems":[true],"items":false}"#,
            r#"{"$schema":"https://acme.example/meta"}"#,
            r#"{"properties":{"$schema":{"const":"http://json-schema.org/draft-07/schema#"}}}"#,
        ] {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_number_that_would_be_read_as_another_is_named() {
        assert!(refusal(r#"{"properties":{"a":{"maximum":1e-400}}}"#).contains("/properties/a/maximum"));
    }

    #[test]
    fn a_chain_of_references_is_as_deep_as_it_is_long() {
        let chain = |links: usize| {
            let link = |i: usize| format!(r##""d{i}":{{"$ref":"#/$defs/d{}"}}"##, i + 1);
            let links: Vec<_> = (0..links).map(link).collect();
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d{}":true}}}}"##, links.join(","), links.len())
        };
        assert_eq!(checked(&chain(60)), Ok(()));
        assert!(refusal(&chain(70)).contains("deeper than 64"), "{}", refusal(&chain(70)));
        assert!(refusal(&chain(2000)).contains("deeper than 64"));
    }

    #[test]
    fn patterns_are_counted_wherever_they_are() {
        let property = |i: usize| format!(r#""p{i}":{{"pattern":"a","patternProperties":{{"b":true}}}}"#);
        let schema = |count: usize| {
            format!(r#"{{"properties":{{{}}}}}"#, (0..count).map(property).collect::<Vec<_>>().join(","))
        };
        assert_eq!(checked(&schema(50)), Ok(()));
        assert!(refusal(&schema(51)).contains("100 patterns"), "{}", refusal(&schema(51)));
    }

    #[test]
    fn what_is_referred_to_is_read_once_and_counted_each_time() {
        let definitions: Vec<_> = (0..60).map(|nth| format!(r#""d{nth}":{{"pattern":"a"}}"#)).collect();
        let references = |times: usize| {
            let reference = |nth: usize| format!(r##"{{"$ref":"#/$defs/d{}"}}"##, nth % 60);
            (0..60 * times).map(reference).collect::<Vec<_>>().join(",")
        };
        let text = |times| format!(r#"{{"allOf":[{}],"$defs":{{{}}}}}"#, references(times), definitions.join(","));
        assert_eq!(checked(&text(1)), Ok(()));
        assert!(refusal(&text(2)).contains("100 patterns"), "{}", refusal(&text(2)));
    }

    #[test]
    fn patterns_are_weighed_together() {
        let heavy: Vec<_> = (0..40).map(|nth| format!(r#"{{"pattern":"\\p{{L}}{{6}}{nth}"}}"#)).collect();
        let text = |count: usize| format!(r#"{{"anyOf":[{}]}}"#, heavy[..count].join(","));
        assert_eq!(checked(&text(4)), Ok(()));
        let refusal = refusal(&text(40));
        assert!(refusal.contains("weigh more than"), "{refusal}");
    }

    #[test]
    fn a_tenants_schemas_have_bounds_together() {
        let schema = format!(r#"{{"enum":[{}0]}}"#, "0,".repeat(8000));
        let mut allowance = Allowance::of_tenant();
        let mut taken = || allowance.take(&schema).map(|_| ());
        assert_eq!((taken(), taken()), (Ok(()), Ok(())));
        assert!(taken().expect_err("a third one").contains("together"));
        assert_eq!(allowance.take("true").map(|_| ()), Ok(()), "a small one has room");
    }
}
