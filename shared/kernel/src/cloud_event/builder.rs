//! Making an event: every one, read or written, goes through [`Builder::build`].

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::payload::Payload;
use super::{CloudEvent, Data, Invalid, Value, rules};

/// An event in the making. Setting something twice keeps the later value.
#[derive(Debug, Clone)]
#[must_use = "an event exists once it is built"]
pub struct Builder {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) ty: String,
    pub(super) subject: Option<String>,
    pub(super) time: Option<String>,
    pub(super) dataschema: Option<String>,
    pub(super) datacontenttype: Option<String>,
    pub(super) extensions: BTreeMap<String, Value>,
    pub(super) payload: Payload,
}

impl Builder {
    pub(super) fn new(id: String, source: String, ty: String) -> Self {
        Self {
            id,
            source,
            ty,
            subject: None,
            time: None,
            dataschema: None,
            datacontenttype: None,
            extensions: BTreeMap::new(),
            payload: Payload::None,
        }
    }

    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// An RFC 3339 timestamp; it is kept as given.
    pub fn time(mut self, time: impl Into<String>) -> Self {
        self.time = Some(time.into());
        self
    }

    /// A URI with a scheme.
    pub fn dataschema(mut self, uri: impl Into<String>) -> Self {
        self.dataschema = Some(uri.into());
        self
    }

    /// A media type. Absent, it means JSON.
    pub fn datacontenttype(mut self, media_type: impl Into<String>) -> Self {
        self.datacontenttype = Some(media_type.into());
        self
    }

    /// A name of lower-case letters and digits that is not one of the specification's own attributes.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.into(), value.into());
        self
    }

    /// JSON data from any value that serialises.
    pub fn data_json(mut self, data: &(impl Serialize + ?Sized)) -> Self {
        self.payload = match to_raw_value(data) {
            Ok(json) => Payload::Json(json),
            Err(error) => Payload::Unserialisable(error.to_string()),
        };
        self
    }

    /// JSON data whose text is kept byte for byte.
    pub fn data_raw(mut self, data: Box<RawValue>) -> Self {
        self.payload = Payload::Json(data);
        self
    }

    /// Data as bytes. They become [`Data::Json`] where `datacontenttype` is JSON or absent, and must then be JSON.
    pub fn data_binary(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.payload = Payload::Bytes(data.into());
        self
    }

    /// The event, or the first rule that it breaks.
    pub fn build(self) -> Result<CloudEvent, Invalid> {
        rules::required_text("id", &self.id)?;
        rules::source(&self.source)?;
        rules::required_text("type", &self.ty)?;
        if let Some(subject) = &self.subject {
            rules::required_text("subject", subject)?;
        }
        if let Some(time) = &self.time {
            rules::time(time)?;
        }
        if let Some(uri) = &self.dataschema {
            rules::dataschema(uri)?;
        }
        let media_type = self.datacontenttype.as_deref().map(rules::datacontenttype).transpose()?;
        for (name, value) in &self.extensions {
            rules::extension(name, value)?;
        }
        let tidied = media_type.as_ref().and_then(|media_type| media_type.tidied().map(str::to_owned));
        let data = self.payload.settle(media_type.as_ref())?;

        Ok(CloudEvent {
            id: self.id,
            source: self.source,
            ty: self.ty,
            subject: self.subject,
            time: self.time,
            dataschema: self.dataschema,
            datacontenttype: tidied.or(self.datacontenttype),
            extensions: self.extensions,
            data,
        })
    }
}

impl From<CloudEvent> for Builder {
    fn from(event: CloudEvent) -> Self {
        Self {
            id: event.id,
            source: event.source,
            ty: event.ty,
            subject: event.subject,
            time: event.time,
            dataschema: event.dataschema,
            datacontenttype: event.datacontenttype,
            extensions: event.extensions,
            payload: match event.data {
                None => Payload::None,
                Some(Data::Json(json)) => Payload::Json(json),
                Some(Data::Binary(bytes)) => Payload::Bytes(bytes),
            },
        }
    }
}
