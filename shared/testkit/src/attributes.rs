//! Message attributes of SQS and SNS.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::answer::Refusal;

/// Attributes by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// A message attribute's type and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `String`, `Number`, `Binary`, or one of them with a custom suffix (`Number.int`).
    pub data_type: String,
    /// Text; base64 if the type is `Binary`.
    pub value: String,
}

impl Attribute {
    pub(crate) fn is_binary(&self) -> bool {
        self.data_type.starts_with("Binary")
    }

    fn size(&self) -> usize {
        let value = if self.is_binary() {
            STANDARD.decode(&self.value).map_or(0, |bytes| bytes.len())
        } else {
            self.value.len()
        };
        self.data_type.len() + value
    }
}

/// What attributes add to a message's size: names, types and values.
pub(crate) fn size(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, attribute)| name.len() + attribute.size()).sum()
}

/// The rules that SQS and SNS share, except for the error's code.
pub(crate) fn check(attributes: &Attributes, code: &str) -> Result<(), Refusal> {
    let refuse = |message| Err(Refusal::bad_request(code, message));
    for (name, attribute) in attributes {
        let kind = attribute.data_type.split('.').next().unwrap_or_default();
        if !["String", "Number", "Binary"].contains(&kind) {
            return refuse(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
            ));
        }
        if attribute.value.is_empty() {
            return refuse(format!(
                "Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
            ));
        }
        if kind == "Number" && attribute.value.parse::<f64>().is_err() {
            return refuse(format!("Can't cast the value of message (user) attribute '{name}' to a number."));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 256 || !name.chars().all(allowed) {
            return refuse(format!("The message attribute name '{name}' is invalid."));
        }
    }
    Ok(())
}
