//! The JSON event format and its batches. `data` is neither parsed nor written anew, but passed on as text.

use std::fmt::{self, Write as _};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::attributes::{self, Attributes};
use super::json_text::push_string;
use super::payload::{BYTE_ORDER_MARK, Payload};
use super::strict_json::why_not;
use super::{CloudEvent, Data, HttpError, Invalid, Value, rules};

impl CloudEvent {
    /// Reads one event in the JSON format.
    ///
    /// A member that is `null` is absent, except `data`, whose `null` is a payload. `data` that is not JSON by
    /// `datacontenttype` must be a string, whose text it is. `data_base64` that is JSON becomes [`Data::Json`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, Invalid> {
        event(utf8(bytes)?)
    }

    /// Writes the event in the JSON format: the specification's attributes in a fixed order, extensions by name, then
    /// `data` as it came, or `data_base64` for anything but JSON.
    pub fn to_json(&self) -> String {
        // As much as the attributes mostly take, so that it need not grow.
        let mut out = String::with_capacity(1024 + data_bytes(self));
        push_event(&mut out, self);
        out
    }

    /// No less than the bytes of [`to_json`](Self::to_json), and found without writing it.
    pub fn most_json_bytes(&self) -> usize {
        // A byte takes six at most, as `\u001f`. Beside the value stand a comma, a colon and four quotes.
        let attribute = |name: &str, value: &str| name.len() + value.len() * 6 + 6;
        let own = own_attributes(self).into_iter().filter_map(|(name, value)| Some(attribute(name, value?)));
        let extensions = self.extensions().map(|(name, value)| match value {
            Value::String(value) => attribute(name, value),
            Value::Boolean(_) | Value::Integer(_) => attribute(name, "-2147483648"),
        });
        let envelope = attribute("specversion", "1.0") + attribute("data_base64", "");
        own.sum::<usize>() + extensions.sum::<usize>() + data_bytes(self) + envelope
    }
}

/// Writes events in the JSON batch format.
pub fn batch_to_json<'a>(events: impl Iterator<Item = &'a CloudEvent>) -> String {
    let mut out = String::from("[");
    for (index, event) in events.enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_event(&mut out, event);
    }
    out.push(']');
    out
}

/// Finds the elements of the JSON batch format and reads none of them. Stops at the first one beyond `most`.
pub(super) fn batch(bytes: &[u8], most: usize) -> Result<Vec<&str>, HttpError> {
    let mut deserializer = serde_json::Deserializer::from_str(utf8(bytes)?);
    let mut elements = Elements { most, found: Vec::new() };
    let read = deserializer.deserialize_seq(&mut elements).and_then(|()| deserializer.end());
    if elements.found.len() > most {
        return Err(HttpError::TooManyEvents { most });
    }
    read.map_err(|error| syntax(&error, "must come in a JSON array"))?;
    Ok(elements.found)
}

fn utf8(bytes: &[u8]) -> Result<&str, Invalid> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return Err(Invalid::event("must not begin with a byte order mark (RFC 8259, section 8.1)"));
    }
    std::str::from_utf8(bytes).map_err(|_| Invalid::event("must be in UTF-8"))
}

fn syntax(error: &serde_json::Error, expected: &'static str) -> Invalid {
    if error.is_data() {
        Invalid::event(expected)
    } else {
        Invalid::event(format!("must be valid JSON: {}", why_not(error)))
    }
}

fn event(text: &str) -> Result<CloudEvent, Invalid> {
    let Members(mut members) = serde_json::from_str(text).map_err(|error| syntax(&error, "must be a JSON object"))?;
    // So that a name that is there twice is next to itself.
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let Some(twice) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Invalid::attributed(&twice[0].0, "must not be there twice"));
    }

    let mut take = |name: &str| {
        let at = members.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(members.remove(at).1)
    };
    let payload = payload(take("data"), take("data_base64"))?;
    let attributes = members.into_iter().filter_map(|(name, json)| match attribute(&name, json) {
        Ok(value) => value.map(|value| Ok((name, value))),
        Err(invalid) => Some(Err(invalid)),
    });
    attributes::into_event(attributes.collect::<Result<Attributes, Invalid>>()?, payload)
}

fn payload(data: Option<&RawValue>, base64: Option<&RawValue>) -> Result<Payload, Invalid> {
    let base64 = base64.filter(|json| json.get() != "null");
    match (data, base64) {
        (None, None) => Ok(Payload::None),
        (Some(data), None) => Ok(Payload::Member(data.to_owned())),
        (None, Some(base64)) => serde_json::from_str::<String>(base64.get())
            .ok()
            .and_then(|text| BASE64.decode(text).ok())
            .map(Payload::Bytes)
            .ok_or_else(|| {
                Invalid::attributed("data_base64", "must be a string of padded Base64 (RFC 4648, section 4)")
            }),
        (Some(_), Some(_)) => Err(Invalid::attributed("data_base64", "must not be there together with data")),
    }
}

/// `None` for `null`, which is as good as absent.
fn attribute(name: &str, json: &RawValue) -> Result<Option<Value>, Invalid> {
    let json = json.get();
    if json == "null" {
        return Ok(None);
    }
    rules::attribute_name(name)?;
    let value = match json.as_bytes().first() {
        Some(b'"') => {
            serde_json::from_str(json).map(Value::String).map_err(|_| "must not hold half of a surrogate pair")
        }
        Some(b't' | b'f') => Ok(Value::Boolean(json == "true")),
        Some(b'-' | b'0'..=b'9') => json.parse().map(Value::Integer).map_err(|_| "must be a whole number of 32 bits"),
        _ => Err("must be a string, a boolean or a whole number, and neither an array nor an object"),
    };
    value.map(Some).map_err(|detail| Invalid::attributed(name, detail))
}

/// The specification's attributes, without its version, in the order in which they are written.
fn own_attributes(event: &CloudEvent) -> [(&'static str, Option<&str>); 7] {
    [
        ("id", Some(event.id())),
        ("source", Some(event.source())),
        ("type", Some(event.ty())),
        ("subject", event.subject()),
        ("time", event.time()),
        ("dataschema", event.dataschema()),
        ("datacontenttype", event.datacontenttype()),
    ]
}

/// How long the data is as it is written.
fn data_bytes(event: &CloudEvent) -> usize {
    match event.data() {
        None => 0,
        Some(Data::Json(json)) => json.get().len(),
        Some(Data::Binary(bytes)) => bytes.len().div_ceil(3) * 4,
    }
}

fn push_event(out: &mut String, event: &CloudEvent) {
    out.push_str(r#"{"specversion":"1.0""#);
    for (name, value) in own_attributes(event) {
        if let Some(value) = value {
            push_name(out, name);
            push_string(out, value);
        }
    }
    for (name, value) in event.extensions() {
        push_name(out, name);
        match value {
            Value::String(value) => push_string(out, value),
            other => _ = write!(out, "{other}"),
        }
    }
    match event.data() {
        None => {}
        Some(Data::Json(json)) => {
            push_name(out, "data");
            out.push_str(json.get());
        }
        Some(Data::Binary(bytes)) => {
            push_name(out, "data_base64");
            out.push('"');
            BASE64.encode_string(bytes, out);
            out.push('"');
        }
    }
    out.push('}');
}

/// A name is never in need of escapes.
fn push_name(out: &mut String, name: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}

/// An object's members in the order they came, each value as its text; repeated names are all there.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// An array's elements, each as its text: all of them, or one more than `most`.
struct Elements<'a> {
    most: usize,
    found: Vec<&'a str>,
}

impl<'de> Visitor<'de> for &mut Elements<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while self.found.len() <= self.most
            && let Some(element) = array.next_element::<&RawValue>()?
        {
            self.found.push(element.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_event_is_longer_than_it_may_be(id in "[ -~é]{1,9}", note in "[\"\\\\ -~]{0,9}", number: i32, data in "[a-z]{0,9}") {
            let event = CloudEvent::builder(id, "/orders", "OrderSubmitted").extension("note", note).extension("number", number);
            let json = event.clone().subject("O-1").data_json(&data).build().expect("an event");
            let binary = event.datacontenttype("text/plain").data_binary(data).build().expect("an event");
            for event in [json, binary] {
                prop_assert!(event.to_json().len() <= event.most_json_bytes(), "{}", event.to_json());
            }
        }
    }
}
