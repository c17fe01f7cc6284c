//! What holds for every command's data, before any schema.

use kernel::cloud_event::{first_inexact_number, strict_json};
use kernel::problem::{Complaint, Problem};
use serde_json::Value;

/// Reads a command's data: JSON with one meaning, not nested too deeply, fit for every queue on its way, and without numbers
/// that would be read as others.
pub fn command_data(json: &str) -> Result<Value, Problem> {
    let malformed = |detail: String| Problem::malformed_event(detail).about("data");
    let data = strict_json(json).map_err(|invalid| malformed(invalid.to_string()))?;
    if !can_be_sent(&data) {
        return Err(malformed("data must not hold the noncharacters U+FFFE and U+FFFF".to_owned()));
    }
    if let Some(pointer) = first_inexact_number(json) {
        let detail = "the number cannot be read exactly: send a whole number of at most 64 bits, a fraction of at most 17 \
                      significant digits that a double has as well, or a string";
        let complaint =
            Complaint { pointer: Some(pointer), index: None, ty: None, attribute: None, detail: detail.to_owned() };
        return Err(Problem::invalid_data(detail).about("data").listing(vec![complaint]));
    }
    Ok(data)
}

/// SQS and SNS carry what XML 1.0 can: of all characters that stand unescaped in JSON, these two are left out. They are
/// refused when escaped as well, for the data is written anew on its way.
fn can_be_sent(data: &Value) -> bool {
    let fits = |text: &str| !text.contains(['\u{fffe}', '\u{ffff}']);
    match data {
        Value::String(text) => fits(text),
        Value::Array(items) => items.iter().all(can_be_sent),
        Value::Object(members) => members.iter().all(|(name, member)| fits(name) && can_be_sent(member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}
