//! Input made to hurt: it is refused quickly, on a small stack, and never panics.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::{CloudEvent, HttpError, Invalid, MAX_DEPTH, Submission, from_http, strict_json};
use super::{BATCH, MOST, batch, json_with, received, single};

const DEEP: usize = 100_000;
/// Generous for a debug build on a busy machine; what is quadratic or worse takes minutes.
const QUICK: Duration = Duration::from_secs(2);

fn quickly<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    assert!(start.elapsed() < QUICK, "took {:?}", start.elapsed());
    done
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

fn names(refusal: Result<CloudEvent, Invalid>) -> Option<String> {
    refusal.expect_err("refused").attribute().map(str::to_owned)
}

#[test]
fn data_may_nest_to_the_limit_and_no_deeper() {
    assert!(json_with(&format!(r#""data":{}"#, nested(MAX_DEPTH))).is_ok());
    assert_eq!(names(json_with(&format!(r#""data":{}"#, nested(MAX_DEPTH + 1)))).as_deref(), Some("data"));
}

#[test]
fn data_that_is_accepted_is_never_too_deep_to_be_read() {
    let event = json_with(&format!(r#""data":{}"#, nested(MAX_DEPTH))).expect("valid");
    assert!(event.json().is_some_and(|json| strict_json(json).is_ok()));
}

#[test]
fn very_deep_json_is_refused_wherever_it_is() {
    let deep = nested(DEEP);
    quickly(|| {
        assert_eq!(names(json_with(&format!(r#""data":{deep}"#))).as_deref(), Some("data"));
        assert_eq!(names(json_with(&format!(r#""ext":{deep}"#))).as_deref(), Some("ext"));
        assert_eq!(names(CloudEvent::from_json(deep.as_bytes())), None);
        assert_eq!(names(CloudEvent::from_json(&b"{\"a\":".repeat(DEEP))), None);
        assert!(matches!(&batch(format!("[{deep}]").as_bytes())[..], [Err(_)]));
        assert_eq!(
            names(CloudEvent::builder("1", "/s", "t").data_binary(deep.as_bytes()).build()).as_deref(),
            Some("data")
        );
    });
}

/// What follows the first element beyond the most is not looked at: it may be megabytes of anything.
#[test]
fn a_batch_of_too_many_elements_is_refused_at_the_first_one_beyond() {
    let elements = |count: usize, end: &str| format!("[{}{end}", vec!["1"; count].join(","));
    let found = |body: &str| received(BATCH, body.as_bytes()).map(|_| ());
    assert_eq!(found(&elements(MOST, "]")), Ok(()));
    for end in ["]", ",", "no JSON any more"] {
        assert_eq!(found(&elements(MOST + 1, end)), Err(HttpError::TooManyEvents { most: MOST }), "{end}");
    }
    for end in ["", ",", "] x", "}"] {
        assert!(matches!(found(&elements(MOST, end)), Err(HttpError::Malformed(_))), "{end}");
    }
}

#[test]
fn many_members_are_read_in_linear_time() {
    let members =
        |name: fn(usize) -> String| (0..50_000).map(|i| format!(r#""{}":1"#, name(i))).collect::<Vec<_>>().join(",");
    quickly(|| {
        assert_eq!(json_with(&members(|i| format!("a{i}"))).expect("valid").extensions().count(), 50_000);
        assert_eq!(names(json_with(&members(|_| "a".to_owned()))).as_deref(), Some("a"));
    });
}

#[test]
fn many_parameters_of_a_media_type_are_read_in_linear_time() {
    let parameters = (0..40_000).map(|i| format!(";a{i}=1")).collect::<Vec<_>>().concat();
    let content_type = |more: &str| json_with(&format!(r#""datacontenttype":"text/json{parameters}{more}""#));
    quickly(|| {
        assert!(content_type("").is_ok());
        assert_eq!(names(content_type(";A7=1")).as_deref(), Some("datacontenttype"));
    });
}

#[test]
fn an_endless_name_is_cut_in_the_refusal() {
    let name = "É".repeat(100_000);
    let refusal = json_with(&format!(r#""{name}":1"#)).expect_err("refused");
    assert_eq!(refusal.attribute().map(|name| name.chars().count()), Some(Invalid::LONGEST_NAME + 1));

    let content_type = format!("application/cloudevents+{}", "x".repeat(100_000));
    let refusal = received(&[("content-type", &content_type)], b"{}").expect_err("refused");
    assert!(refusal.to_string().len() < 300);
}

#[test]
fn control_characters_in_a_refused_name_do_not_reach_the_log() {
    assert_eq!(names(json_with(r#""a\u0000\r\n":1"#)).as_deref(), Some("a\u{fffd}\u{fffd}\u{fffd}"));
}

#[test]
fn a_second_event_behind_the_first_is_refused() {
    let event = single(
        &[("content-type", "application/cloudevents+json")],
        br#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#,
    )
    .to_json();
    assert!(CloudEvent::from_json(format!("{event}{event}").as_bytes()).is_err());
    assert!(CloudEvent::from_json(format!("{event} \n\t").as_bytes()).is_ok());
}

fn content_types() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"application/cloudevents+json".to_vec()),
        Just(b"application/cloudevents-batch+json".to_vec()),
        Just(b"application/json".to_vec()),
        any::<Vec<u8>>(),
    ]
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        r#"\[?\{("(id|source|type|specversion|data|data_base64|time|[a-zA-Z_]{1,3})":("[^"]{0,6}"|1.0|-?[0-9]{1,12}|null|\[\{\}\]),?){0,6}\}?\]?"#
            .prop_map(String::into_bytes),
    ]
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![any::<Vec<u8>>(), r#"["%\\a-f0-9 .:/]{0,12}"#.prop_map(String::into_bytes)]
}

proptest! {
    #[test]
    fn arbitrary_requests_are_answered_and_what_is_accepted_is_valid(
        content_type in content_types(),
        names in proptest::collection::vec("(?i)(ce-(id|source|specversion|type|subject|time|data|x)|[^a]{0,6})", 0..8),
        value in values(),
        body in bodies(),
    ) {
        let headers = names.iter().map(|name| (name.as_str(), &value[..])).chain([("content-type", &content_type[..])]);
        match from_http(headers, &body, MOST) {
            Ok(Submission::Single(event)) => prop_assert_eq!(CloudEvent::from_json(event.to_json().as_bytes()), Ok(event)),
            Ok(Submission::Batch(events)) => {
                for event in events.into_iter().filter_map(|event| CloudEvent::from_json(event.as_bytes()).ok()) {
                    prop_assert_eq!(CloudEvent::from_json(event.to_json().as_bytes()), Ok(event));
                }
            }
            Err(_) => {}
        }
    }
}
