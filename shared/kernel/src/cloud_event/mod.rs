//! `CloudEvents` 1.0.2, read strictly: an event that exists here is a valid one.
//!
//! - this file: the event and what may be changed in one
//! - `builder`: the one way to make an event, which is where every rule is applied
//! - `rules`, `media_type`, `payload`: those rules, for attributes, for `datacontenttype` and for `data`
//! - `json_format`: structured mode's JSON text, one event or a batch
//! - `http`, `headers`: the content modes, and binary mode's headers
//! - `strict_json`, `numbers`, `canonical`: `data` as a value, which of its numbers would not be read as sent, and that
//!   value as the one text a digest is taken of
//!
//! Not here: JSON Schema, routing, limits on size. A caller states those.

mod attributes;
mod builder;
mod canonical;
mod headers;
mod http;
mod invalid;
mod json_format;
mod json_text;
mod media_type;
mod numbers;
mod payload;
mod rules;
mod strict_json;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

pub use builder::Builder;
pub use canonical::canonical;
pub use headers::header_of;
pub use http::{HttpError, Mode, Submission, from_http};
pub use invalid::Invalid;
pub use json_format::batch_to_json;
pub use numbers::first_inexact_number;
pub use strict_json::{MAX_DEPTH, strict_json, why_not};
pub use value::{Data, Value};

/// A valid `CloudEvent`.
///
/// Its `data` is [`Data::Json`] exactly when its `datacontenttype` is JSON or absent (the JSON format's section 3.1
/// says that absent means `application/json`), however the data came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    id: String,
    source: String,
    ty: String,
    subject: Option<String>,
    time: Option<String>,
    dataschema: Option<String>,
    datacontenttype: Option<String>,
    extensions: BTreeMap<String, Value>,
    data: Option<Data>,
}

impl CloudEvent {
    /// Starts an event from the attributes that every one must have; [`Builder::build`] checks them.
    pub fn builder(id: impl Into<String>, source: impl Into<String>, ty: impl Into<String>) -> Builder {
        Builder::new(id.into(), source.into(), ty.into())
    }

    /// Back to a builder, to change what the setters here do not.
    pub fn into_builder(self) -> Builder {
        Builder::from(self)
    }

    /// Unique within its source.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A URI reference (RFC 3986), exactly as given: `/orders` and `/orders/` are two sources.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The attribute `type`.
    pub fn ty(&self) -> &str {
        &self.ty
    }

    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// An RFC 3339 timestamp, exactly as given.
    pub fn time(&self) -> Option<&str> {
        self.time.as_deref()
    }

    /// A URI with a scheme.
    pub fn dataschema(&self) -> Option<&str> {
        self.dataschema.as_deref()
    }

    /// A media type (RFC 2045), as given, but for semicolons too many.
    pub fn datacontenttype(&self) -> Option<&str> {
        self.datacontenttype.as_deref()
    }

    pub fn extension(&self, name: &str) -> Option<&Value> {
        self.extensions.get(name)
    }

    /// In the order of their names.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.extensions.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }

    /// The data as JSON text, byte for byte as received; `None` where there is none, or where it is not JSON.
    pub fn json(&self) -> Option<&str> {
        match &self.data {
            Some(Data::Json(json)) => Some(json.get()),
            Some(Data::Binary(_)) | None => None,
        }
    }

    /// Sets an extension, or replaces it; the event stays as it was where name or value break the rules.
    pub fn set_extension(&mut self, name: &str, value: impl Into<Value>) -> Result<(), Invalid> {
        let value = value.into();
        rules::extension(name, &value)?;
        self.extensions.insert(name.to_owned(), value);
        Ok(())
    }

    /// As [`set_extension`](Self::set_extension), to be chained.
    pub fn with_extension(mut self, name: &str, value: impl Into<Value>) -> Result<Self, Invalid> {
        self.set_extension(name, value)?;
        Ok(self)
    }

    /// Takes the data out, and with it what says how it is written.
    pub fn remove_data(&mut self) {
        (self.data, self.datacontenttype) = (None, None);
    }

    /// Takes an extension out and returns it.
    pub fn remove_extension(&mut self, name: &str) -> Option<Value> {
        self.extensions.remove(name)
    }

    /// Sets or replaces `dataschema`; the event stays as it was where the URI breaks the rules.
    pub fn set_dataschema(&mut self, uri: impl Into<String>) -> Result<(), Invalid> {
        let uri = uri.into();
        rules::dataschema(&uri)?;
        self.dataschema = Some(uri);
        Ok(())
    }
}
