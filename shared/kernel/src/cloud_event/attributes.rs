//! From named values, which is what both formats are read into, to an event.

use std::collections::BTreeMap;

use super::payload::Payload;
use super::{Builder, CloudEvent, Invalid, Value};

/// Attributes by name; whatever the specification has no name for is an extension.
pub(super) type Attributes = BTreeMap<String, Value>;

pub(super) fn into_event(mut attributes: Attributes, payload: Payload) -> Result<CloudEvent, Invalid> {
    let specversion = required(&mut attributes, "specversion")?;
    if specversion != "1.0" {
        return Err(Invalid::attributed("specversion", "must be 1.0"));
    }
    Builder {
        id: required(&mut attributes, "id")?,
        source: required(&mut attributes, "source")?,
        ty: required(&mut attributes, "type")?,
        subject: optional(&mut attributes, "subject")?,
        time: optional(&mut attributes, "time")?,
        dataschema: optional(&mut attributes, "dataschema")?,
        datacontenttype: optional(&mut attributes, "datacontenttype")?,
        extensions: attributes,
        payload,
    }
    .build()
}

fn required(attributes: &mut Attributes, name: &str) -> Result<String, Invalid> {
    optional(attributes, name)?.ok_or_else(|| Invalid::attributed(name, "is missing"))
}

fn optional(attributes: &mut Attributes, name: &str) -> Result<Option<String>, Invalid> {
    match attributes.remove(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(Value::Boolean(_) | Value::Integer(_)) => Err(Invalid::attributed(name, "must be a string")),
    }
}
