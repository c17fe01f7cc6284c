//! Changes that break somebody and changes that do not, for each keyword.

use serde_json::json;

use super::*;

/// Where a change of a command's schema breaks its senders.
fn breaks(before: &Value, today: &Value) -> Vec<String> {
    let mut pointers: Vec<_> =
        narrowed(before, today, Unsaid::MayBeSent).into_iter().map(|narrowed| narrowed.pointer).collect();
    pointers.dedup();
    pointers
}

fn object(properties: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// A member's schema before and today, and the keyword that breaks, if any does: in this direction, and in the other.
#[track_caller]
fn member(before: &Value, today: &Value, keyword: Option<&str>, and_back: Option<&str>) {
    let pointers = |keyword: Option<&str>| {
        keyword.map(|keyword| format!("/properties/a/{keyword}")).into_iter().collect::<Vec<_>>()
    };
    let [before, today] = [before, today].map(|schema| object(&json!({ "a": schema })));
    assert_eq!(breaks(&before, &today), pointers(keyword), "{before} became {today}");
    assert_eq!(breaks(&today, &before), pointers(and_back), "{today} became {before}");
    assert_eq!(breaks(&today, &today), [] as [&str; 0]);
}

#[test]
fn bounds_may_widen_and_not_narrow() {
    for (ty, keyword, low, high) in [
        ("string", "maxLength", 5, 6),
        ("array", "maxItems", 5, 6),
        ("object", "maxProperties", 5, 6),
        ("integer", "maximum", 5, 6),
        ("number", "exclusiveMaximum", 5, 6),
        ("string", "minLength", 6, 5),
        ("array", "minItems", 6, 5),
        ("object", "minProperties", 6, 5),
        ("integer", "minimum", 6, 5),
        ("number", "exclusiveMinimum", 6, 5),
    ] {
        let schema = |bound: i32| json!({ "type": ty, keyword: bound });
        member(&schema(low), &schema(high), None, Some(keyword));
        member(&schema(low), &json!({ "type": ty }), None, Some(keyword));
    }
    member(
        &json!({ "type": "number", "maximum": 5 }),
        &json!({ "type": "number", "exclusiveMaximum": 5 }),
        Some("exclusiveMaximum"),
        None,
    );
    // A bound on what a value cannot be holds nobody up.
    member(&json!({ "type": "string" }), &json!({ "type": "string", "maximum": 1 }), None, None);
}

#[test]
fn a_rust_integer_is_a_range() {
    let integer = |format: &str| json!({ "type": "integer", "format": format });
    member(&integer("uint32"), &integer("uint64"), None, Some("format"));
    member(&integer("uint32"), &integer("int64"), None, Some("format"));
    member(&json!({ "type": "integer", "format": "int64", "minimum": 0 }), &integer("int64"), None, Some("minimum"));
}

#[test]
fn types_may_be_added_and_not_taken() {
    member(&json!({ "type": "integer" }), &json!({ "type": "number" }), None, Some("type"));
    member(&json!({ "type": "string" }), &json!({ "type": ["string", "null"] }), None, Some("type"));
    member(&json!({ "type": "string" }), &json!(true), None, Some("type"));
}

#[test]
fn values_may_be_added_and_not_taken() {
    let of = |values: &[&str]| json!({ "type": "string", "enum": values });
    member(&of(&["a"]), &of(&["a", "b"]), None, Some("enum"));
    member(&of(&["a"]), &json!({ "type": "string" }), None, Some("enum"));
    member(&json!({ "const": "a" }), &of(&["a", "b"]), None, Some("const"));
}

#[test]
fn patterns_and_formats_stay_or_go() {
    for keyword in ["pattern", "format", "multipleOf"] {
        let with = |value: Value| json!({ "type": ["string", "number"], keyword: value });
        member(&with(json!("a")), &json!({ "type": ["string", "number"] }), None, Some(keyword));
        member(&with(json!("a")), &with(json!("b")), Some(keyword), Some(keyword));
    }
}

#[test]
fn what_must_be_there_may_become_optional_and_not_the_other_way() {
    let with =
        |required: Value| json!({ "type": "object", "properties": { "a": true, "b": true }, "required": required });
    assert_eq!(breaks(&with(json!(["a", "b"])), &with(json!(["a"]))), [] as [&str; 0]);
    assert_eq!(breaks(&with(json!(["a"])), &with(json!(["a", "b"]))), ["/required"]);
}

#[test]
fn a_command_may_gain_an_optional_member_and_lose_none() {
    let (one, two) = (object(&json!({ "a": true })), object(&json!({ "a": true, "b~/": { "type": "string" } })));
    assert_eq!(breaks(&one, &two), [] as [&str; 0]);
    assert_eq!(breaks(&two, &one), ["/additionalProperties"]);
    let open = json!({ "type": "object", "properties": { "a": true } });
    assert_eq!(breaks(&open, &one), ["/additionalProperties"]);
    // Somebody may have sent a number under that name, which nothing forbade.
    let named = json!({ "type": "object", "properties": { "a": true, "b~/": { "type": "string" } } });
    assert_eq!(breaks(&open, &named), ["/properties/b~0~1/type"]);
}

#[test]
fn items_references_and_alternatives_are_followed() {
    let list = |most: u32| {
        json!({ "type": "array", "items": { "$ref": "#/$defs/Line", "description": "one" },
        "$defs": { "Line": { "type": "string", "maxLength": most } } })
    };
    assert_eq!(breaks(&list(5), &list(4)), ["/$defs/Line/maxLength"]);
    assert_eq!(breaks(&list(4), &list(5)), [] as [&str; 0]);
    let any = |schemas: Value| json!({ "anyOf": schemas, "$defs": { "S": { "type": "string" } } });
    let (one, two) = (any(json!([{ "$ref": "#/$defs/S" }])), any(json!([{ "type": "null" }, { "$ref": "#/$defs/S" }])));
    assert_eq!(breaks(&one, &two), [] as [&str; 0]);
    assert_eq!(breaks(&two, &one), ["/anyOf"]);
    assert_eq!(breaks(&json!({ "type": "null" }), &two), [] as [&str; 0]);
    assert_eq!(breaks(&two, &json!({ "type": "null" })), ["/type"]);
    let oneof =
        |values: &[&str]| json!({ "oneOf": values.iter().map(|value| json!({ "const": value })).collect::<Vec<_>>() });
    assert_eq!(breaks(&oneof(&["a"]), &oneof(&["a", "b"])), [] as [&str; 0]);
    assert_eq!(breaks(&oneof(&["a", "b"]), &oneof(&["a"])), ["/oneOf"]);
}

#[test]
fn a_schema_that_holds_itself_comes_to_an_end() {
    let tree = |most: u32| {
        json!({ "$ref": "#/$defs/Tree", "$defs": { "Tree": { "type": "object", "properties": {
        "name": { "type": "string", "maxLength": most }, "children": { "type": "array", "items": { "$ref": "#/$defs/Tree" } } } } } })
    };
    assert_eq!(breaks(&tree(5), &tree(5)), [] as [&str; 0]);
    assert_eq!(breaks(&tree(5), &tree(4)), ["/$defs/Tree/properties/name/maxLength"]);
}

#[test]
fn what_cannot_be_compared_is_named() {
    for keyword in
        ["allOf", "not", "if", "patternProperties", "unevaluatedProperties", "prefixItems", "contains", "$dynamicRef"]
    {
        let schema = object(&json!({ "a": { keyword: true } }));
        assert_eq!(breaks(&schema, &schema), [format!("/properties/a/{keyword}")]);
    }
    let beside = json!({ "$ref": "#/$defs/S", "maxLength": 5, "$defs": { "S": { "type": "string" } } });
    assert_eq!(breaks(&beside, &beside), ["/maxLength"]);
    assert_eq!(breaks(&json!({ "$ref": "#/$defs/gone" }), &json!({})), ["/$ref"]);
}

#[test]
fn words_for_people_may_change() {
    let words = |text: &str| {
        object(&json!({ "a": { "title": text, "description": text, "examples": [text], "default": text } }))
    };
    assert_eq!(breaks(&words("before"), &words("today")), [] as [&str; 0]);
}

#[test]
fn an_event_may_gain_an_optional_member_for_nobody_wrote_one_before() {
    let before = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let today = json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "integer" } } });
    assert_eq!(faults(Kind::Event, &before, &today), [] as [&str; 0]);
    assert_eq!(faults(Kind::Event, &today, &before), [] as [&str; 0]);
    let required = json!({ "type": "object", "properties": today["properties"], "required": ["b"] });
    assert_eq!(
        faults(Kind::Event, &before, &required),
        ["/required: b is required and was not; what is stored cannot be read"]
    );
    let map = |ty: &str| json!({ "type": "object", "additionalProperties": { "type": ty } });
    assert_eq!(faults(Kind::Event, &map("integer"), &map("number")).len(), 1, "a map's members are written");
}

#[test]
fn an_event_may_not_widen_either_for_the_release_before_reads_it_too() {
    let of = |values: &[&str]| json!({ "type": "object", "properties": { "a": { "type": "string", "enum": values } } });
    let faults = faults(Kind::Event, &of(&["a"]), &of(&["a", "b"]));
    assert_eq!(faults, ["/properties/a/enum: \"b\" is not accepted any more; the release before cannot read it"]);
}

/// A workspace with one recorded schema, and what there is of it today.
fn workspace(name: &str, kind: &str, before: &Value, today: Option<&Value>) -> PathBuf {
    let root = crate::workspace::Workspace::find().expect("the workspace").target.join("compatibility").join(name);
    if root.exists() {
        fs::remove_dir_all(&root).expect("removed");
    }
    let other = if kind == "commands" { "events" } else { "commands" };
    for folder in [
        "events/schemas/orders".to_owned(),
        format!("events/recorded/orders/schemas/{other}"),
        format!("events/recorded/orders/schemas/{kind}"),
    ] {
        fs::create_dir_all(root.join(folder)).expect("created");
    }
    fs::write(root.join(format!("events/recorded/orders/schemas/{kind}/Note.1.json")), before.to_string())
        .expect("written");
    if let Some(today) = today {
        fs::write(root.join("events/schemas/orders/Note.1.json"), today.to_string()).expect("written");
    }
    root
}

#[test]
fn schemas_are_compared_with_those_recorded_and_the_place_is_named() {
    let (short, long) =
        (object(&json!({ "a": { "type": "string", "maxLength": 5 } })), object(&json!({ "a": { "type": "string" } })));
    check(&workspace("wider", "commands", &short, Some(&long))).expect("senders may send more");
    let refused =
        check(&workspace("narrower", "commands", &long, Some(&short))).expect_err("senders are refused").to_string();
    assert!(refused.starts_with("events/schemas/orders/Note.1.json: /properties/a/maxLength: "), "{refused}");
    assert!(refused.contains("docs/contexts.md"), "{refused}");
    check(&workspace("wider-event", "events", &short, Some(&long))).expect_err("the release before cannot read it");
    let gone = check(&workspace("gone", "events", &short, None)).expect_err("history cannot be read").to_string();
    assert!(gone.contains("must stay readable"), "{gone}");
}

#[test]
fn the_schemas_of_this_build_go_together_with_those_of_the_release_before() {
    let workspace = crate::workspace::Workspace::find().expect("the workspace");
    if let Err(error) = check(&workspace.root) {
        panic!("{error}");
    }
}
