//! RPC v2 CBOR, the protocol that CloudWatch's clients speak, as JSON: so tests read a call as they read any other.

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::decode::DeserializeError;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_types::DateTime;
use serde_json::{Map, Number, Value};

/// Reads a request. A time is a number of seconds.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, DeserializeError> {
    value(&mut Decoder::new(bytes))
}

fn value(from: &mut Decoder<'_>) -> Result<Value, DeserializeError> {
    Ok(match from.datatype()? {
        Type::Bool => Value::Bool(from.boolean()?),
        Type::U8 | Type::U16 | Type::U32 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => from.long()?.into(),
        Type::F16 | Type::F32 | Type::F64 => float(from.double()?),
        Type::String | Type::StringIndef => Value::String(from.str()?.into_owned()),
        Type::Tag => float(from.timestamp()?.as_secs_f64()),
        Type::Array | Type::ArrayIndef => {
            let mut left = from.list()?;
            let mut items = Vec::new();
            while goes_on(from, &mut left)? {
                items.push(value(from)?);
            }
            Value::Array(items)
        }
        Type::Map | Type::MapIndef => {
            let mut left = from.map()?;
            let mut members = Map::new();
            while goes_on(from, &mut left)? {
                let name = from.str()?.into_owned();
                members.insert(name, value(from)?);
            }
            Value::Object(members)
        }
        other => return Err(DeserializeError::custom(format!("testkit reads no {other:?}"), from.position())),
    })
}

/// Whether a list or a map has something more: as many as it has said, or all up to its end.
fn goes_on(from: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, DeserializeError> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None if from.datatype()? == Type::Break => from.skip().map(|()| false),
        None => Ok(true),
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Writes an answer. The numbers in a list `Timestamps` are times, in seconds.
pub(crate) fn write(answer: &Value) -> Vec<u8> {
    let mut to = Encoder::new(Vec::new());
    put(&mut to, answer, false);
    to.into_writer()
}

fn put(to: &mut Encoder, value: &Value, are_times: bool) {
    match value {
        Value::Null => _ = to.null(),
        Value::Bool(value) => _ = to.boolean(*value),
        Value::String(text) => _ = to.str(text),
        Value::Number(number) => {
            let seconds = number.as_f64().expect("a number that a double holds");
            _ = if are_times { to.timestamp(&DateTime::from_secs_f64(seconds)) } else { to.double(seconds) };
        }
        Value::Array(items) => {
            to.array(items.len());
            for item in items {
                put(to, item, are_times);
            }
        }
        Value::Object(members) => {
            to.map(members.len());
            for (name, member) in members {
                to.str(name);
                put(to, member, name == "Timestamps");
            }
        }
    }
}
