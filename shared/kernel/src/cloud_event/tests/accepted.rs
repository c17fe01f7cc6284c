//! What is easily refused by mistake, or read as something else.

use super::super::{CloudEvent, Data, Value};
use super::{Headers, batch, json_with, single};

const MINIMAL: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
const BINARY: [(&str, &str); 4] = [("ce-id", "1"), ("ce-source", "/s"), ("ce-specversion", "1.0"), ("ce-type", "t")];

fn binary(more: Headers<'_>, body: &[u8]) -> CloudEvent {
    single(&[&BINARY, more].concat(), body)
}

#[test]
fn the_mode_goes_by_the_start_of_the_content_type_in_any_case() {
    for content_type in [
        "application/cloudevents+json",
        "Application/CloudEvents+JSON",
        "application/cloudevents+json; charset=UTF-8",
        r#"application/cloudevents+json ;charset="utf-8""#,
    ] {
        assert_eq!(single(&[("CONTENT-TYPE", content_type)], MINIMAL.as_bytes()).id(), "1", "{content_type}");
    }
    assert_eq!(binary(&[("Content-Type", "application/json")], MINIMAL.as_bytes()).json(), Some(MINIMAL));
}

#[test]
fn structured_mode_ignores_the_headers_of_binary_mode() {
    let headers =
        [("content-type", "application/cloudevents+json"), ("ce-id", "other"), ("ce-id", "again"), ("ce-data", "x")];
    assert_eq!(single(&headers, MINIMAL.as_bytes()).id(), "1");
}

#[test]
fn the_data_is_the_text_received() {
    let text = r#"{ "b":1.00,  "a":"\u00e4", "a": 1e2 }"#;
    assert_eq!(json_with(&format!(r#""data": {text} "#)).expect("valid").json(), Some(text));
    assert_eq!(binary(&[("content-type", "text/json")], text.as_bytes()).json(), Some(text));
}

#[test]
fn null_is_an_absent_attribute_but_a_payload() {
    let event =
        json_with(r#""subject":null,"time":null,"ext":null,"data_base64":null,"datacontenttype":null"#).expect("valid");
    assert_eq!(event, CloudEvent::from_json(MINIMAL.as_bytes()).expect("valid"));
    assert_eq!(json_with(r#""data":null"#).expect("valid").json(), Some("null"));
    assert_eq!(json_with(r#""data":null,"data_base64":null"#).expect("valid").json(), Some("null"));
}

#[test]
fn a_string_of_json_stays_a_string() {
    let event = json_with(r#""datacontenttype":"application/json","data":"{\"a\":1}""#).expect("valid");
    assert_eq!(event.json(), Some(r#""{\"a\":1}""#));
}

#[test]
fn a_string_is_the_text_of_data_that_is_not_json() {
    let event = json_with(r#""datacontenttype":"text/xml","data":"<a b=\"\u00e4\"/>""#).expect("valid");
    assert_eq!(event.data(), Some(&Data::Binary("<a b=\"ä\"/>".into())));
    assert_eq!(event.json(), None);
}

#[test]
fn base64_that_is_json_becomes_json() {
    for media_type in ["", r#""datacontenttype":"application/problem+json","#] {
        let event = json_with(&format!(r#"{media_type}"data_base64":"eyAiYSI6MSB9""#)).expect("valid");
        assert_eq!(event.json(), Some(r#"{ "a":1 }"#));
    }
}

#[test]
fn an_extension_keeps_the_type_that_json_gives_it() {
    let event = json_with(r#""a":true,"b":-2147483648,"c":"1","d":"""#).expect("valid");
    assert_eq!(event.extension("a"), Some(&Value::Boolean(true)));
    assert_eq!(event.extension("b"), Some(&Value::Integer(i32::MIN)));
    assert_eq!(event.extension("c"), Some(&"1".into()));
    assert_eq!(event.extension("d"), Some(&"".into()));
}

#[test]
fn in_binary_mode_every_extension_is_a_string() {
    let event = binary(&[("CE-Sequence", "7"), ("ce-comment", r#""a \"b\"%20%e2%82%ac""#), ("ce-rate", "100%")], b"");
    assert_eq!(event.extension("sequence"), Some(&"7".into()));
    assert_eq!(event.extension("comment"), Some(&"a \"b\" €".into()));
    assert_eq!(event.extension("rate"), Some(&"100%".into()));
}

#[test]
fn in_binary_mode_an_empty_body_is_no_data() {
    let event = binary(&[("content-type", "application/json")], b"");
    assert_eq!((event.data(), event.datacontenttype()), (None, Some("application/json")));
}

#[test]
fn in_binary_mode_a_body_without_content_type_is_json() {
    let event = binary(&[], b"[1]");
    assert_eq!((event.json(), event.datacontenttype()), (Some("[1]"), None));
}

#[test]
fn in_binary_mode_any_bytes_may_be_data() {
    let event = binary(&[("content-type", "image/png")], b"\x89PNG\xff");
    assert_eq!(event.data(), Some(&Data::Binary(b"\x89PNG\xff".to_vec())));
}

#[test]
fn a_batch_may_be_empty_and_may_repeat_an_event() {
    assert_eq!(batch(b" [ ] "), []);
    let events = batch(format!("[{MINIMAL},{MINIMAL}]").as_bytes());
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], events[1]);
}

#[test]
fn one_bad_event_leaves_the_others_of_a_batch_readable() {
    let events = batch(format!(r#"[{MINIMAL},{{"id":"1"}},3,{MINIMAL}]"#).as_bytes());
    assert_eq!(events.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
}

#[test]
fn ingest_can_overwrite_what_a_caller_says_of_itself() {
    let mut event = json_with(r#""authid":"root","tenantid":7"#)
        .and_then(|event| event.with_extension("authid", "alice"))
        .expect("valid");
    assert_eq!(event.remove_extension("tenantid"), Some(Value::Integer(7)));
    assert_eq!(event.extensions().collect::<Vec<_>>(), [("authid", &"alice".into())]);
    assert!(event.set_extension("source", "/forged").is_err());
    assert!(event.set_extension("Authid", "x").is_err());
    assert!(event.set_extension("authid", "a\nb").is_err());
    assert!(event.set_dataschema("not absolute").is_err());
    assert_eq!(event.set_dataschema("urn:schema:1"), Ok(()));
    assert_eq!((event.extension("authid"), event.dataschema()), (Some(&"alice".into()), Some("urn:schema:1")));
}

#[test]
fn a_repaired_event_keeps_everything_but_its_data() {
    let event = json_with(r#""subject":"s","ext":true,"data":{"a":1}"#).expect("valid");
    let repaired = event.clone().into_builder().data_json(&[1]).build().expect("valid");
    assert_eq!(repaired.json(), Some("[1]"));
    assert_eq!(repaired.into_builder().data_json(&serde_json::json!({"a": 1})).build(), Ok(event));
}

#[test]
fn an_event_is_written_in_a_fixed_order() {
    let event = CloudEvent::builder("1", "/s", "t")
        .extension("z", 1)
        .extension("a", "\"")
        .extension("m", true)
        .data_json(&serde_json::json!({"b": 1, "a": 2}))
        .datacontenttype("application/json")
        .dataschema("urn:x")
        .time("2026-04-30T12:00:00.5+02:00")
        .subject("ä")
        .build()
        .expect("valid");
    assert_eq!(
        event.to_json(),
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"ä","time":"2026-04-30T12:00:00.5+02:00","dataschema":"urn:x","datacontenttype":"application/json","a":"\"","m":true,"z":1,"data":{"a":2,"b":1}}"#
    );
}

#[test]
fn the_builder_applies_the_same_rules() {
    let builder = || CloudEvent::builder("1", "/s", "t");
    for (builder, attribute) in [
        (CloudEvent::builder("", "/s", "t"), "id"),
        (CloudEvent::builder("1", "", "t"), "source"),
        (CloudEvent::builder("1", "/s", "a\tb"), "type"),
        (builder().subject(""), "subject"),
        (builder().time("yesterday"), "time"),
        (builder().dataschema("x"), "dataschema"),
        (builder().datacontenttype("json"), "datacontenttype"),
        (builder().extension("id", "2"), "id"),
        (builder().extension("specversion", "1.0"), "specversion"),
        (builder().extension("data", "2"), "data"),
        (builder().extension("my_ext", "2"), "my_ext"),
        (builder().datacontenttype("text/plain").data_json("text"), "datacontenttype"),
        (builder().data_binary(*b"\xff"), "datacontenttype"),
        (builder().datacontenttype("application/json").data_binary(*b"{"), "data"),
        (builder().data_json(&std::collections::BTreeMap::from([((1, 2), 3)])), "data"),
    ] {
        let invalid = builder.build().expect_err(attribute);
        assert_eq!(invalid.attribute(), Some(attribute));
    }
}
