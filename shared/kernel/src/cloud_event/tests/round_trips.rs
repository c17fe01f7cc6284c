//! What is written reads back as the same event.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::value::to_raw_value;

use super::super::{Builder, CloudEvent, Data, Submission, Value, batch_to_json, from_http};
use super::batch;

/// Text that an attribute may hold.
fn text() -> impl Strategy<Value = String> {
    let characters = prop_oneof!["[ \"%\\\\,;=é€😀a-z]{1,8}", "[^\\p{Cc}\\p{Cn}]{1,8}"];
    vec(characters, 1..4).prop_map(|parts| parts.concat())
}

fn source() -> impl Strategy<Value = String> {
    "(https://[a-z]{1,8}\\.example)?(/[a-zA-Z0-9_~!$&'()*+,;=:@.-]{1,6}){1,3}(\\?[a-z=&]{1,5})?(#[a-z]{1,4})?"
}

fn time() -> impl Strategy<Value = String> {
    "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,12})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            vec((any::<String>(), inner), 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Data, and the media type to go with it.
fn payload() -> impl Strategy<Value = Option<(Option<&'static str>, Data)>> {
    let json_types = prop_oneof![
        Just(None),
        Just(Some("application/json")),
        Just(Some("application/json; charset=utf-8")),
        Just(Some("application/ld+json; profile=\"a b\"")),
    ];
    let json = (json_types, json())
        .prop_map(|(media_type, json)| (media_type, Data::Json(to_raw_value(&json).expect("a value has JSON"))));
    // Binary mode cannot tell empty data from none.
    let binary = vec(any::<u8>(), 1..40).prop_map(|bytes| (Some("application/octet-stream"), Data::Binary(bytes)));
    option::of(prop_oneof![json, binary])
}

fn extension_names() -> impl Strategy<Value = String> {
    "x[a-z0-9]{0,24}"
}

fn typed_values() -> impl Strategy<Value = Value> {
    prop_oneof![any::<bool>().prop_map(Value::from), any::<i32>().prop_map(Value::from), text().prop_map(Value::from)]
}

fn events(extension_values: impl Strategy<Value = Value>) -> impl Strategy<Value = CloudEvent> {
    (
        (text(), source(), text()),
        (option::of(text()), option::of(time()), option::of("urn:[a-z]{1,6}:[a-z]{1,6}")),
        btree_map(extension_names(), extension_values, 0..4),
        payload(),
    )
        .prop_map(|((id, source, ty), (subject, time, dataschema), extensions, payload)| {
            let mut builder = CloudEvent::builder(id, source, ty);
            builder = set(builder, subject, Builder::subject);
            builder = set(builder, time, Builder::time);
            builder = set(builder, dataschema, Builder::dataschema);
            for (name, value) in extensions {
                builder = builder.extension(name, value);
            }
            if let Some((media_type, data)) = payload {
                builder = set(builder, media_type, Builder::datacontenttype);
                builder = match data {
                    Data::Json(json) => builder.data_raw(json),
                    Data::Binary(bytes) => builder.data_binary(bytes),
                };
            }
            builder.build().expect("valid")
        })
}

fn set<T>(builder: Builder, value: Option<T>, setter: impl FnOnce(Builder, T) -> Builder) -> Builder {
    match value {
        Some(value) => setter(builder, value),
        None => builder,
    }
}

fn read_back(event: &CloudEvent, edit: impl Fn(String) -> String) -> Submission<'_> {
    let headers: BTreeMap<_, _> =
        event.to_http_headers().into_iter().map(|(name, value)| (edit(name), value)).collect();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    from_http(headers, event.data().map_or(b"", Data::as_bytes), 1).expect("valid")
}

proptest! {
    #[test]
    fn structured_mode_gives_the_event_back(event in events(typed_values())) {
        prop_assert_eq!(CloudEvent::from_json(event.to_json().as_bytes()), Ok(event));
    }

    #[test]
    fn binary_mode_gives_the_event_back(event in events(text().prop_map(Value::from))) {
        // What JSON data without a media type implies is spelled out on the way.
        let mut expected = event.clone().into_builder();
        if event.json().is_some() && event.datacontenttype().is_none() {
            expected = expected.datacontenttype("application/json");
        }
        let expected = Submission::Single(expected.build().expect("valid"));
        prop_assert_eq!(&read_back(&event, |name| name), &expected);
        prop_assert_eq!(&read_back(&event, |name| name.to_ascii_uppercase()), &expected);
    }

    #[test]
    fn a_batch_gives_its_events_back(events in vec(events(typed_values()), 0..5)) {
        let read: Result<Vec<_>, _> = batch(batch_to_json(events.iter()).as_bytes()).into_iter().collect();
        prop_assert_eq!(read, Ok(events));
    }

    #[test]
    fn headers_are_printable_ascii(event in events(typed_values())) {
        for (name, value) in event.to_http_headers() {
            prop_assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{name}: {value}");
        }
    }
}
