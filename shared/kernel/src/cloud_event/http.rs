//! The HTTP protocol binding, receiving side: which content mode, and the event or events in it.

use super::headers::{self, BinaryHeaders};
use super::invalid::clipped;
use super::media_type::MediaType;
use super::payload::Payload;
use super::{CloudEvent, Invalid, attributes, json_format};

/// How a request carries its event (HTTP binding, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Attributes in `ce-` headers, data in the body.
    Binary,
    /// One event, all of it in the body.
    Structured,
    /// An array of events in the body.
    Batch,
}

impl Mode {
    /// By how `Content-Type` begins, in any case; the event format behind that is not looked at.
    pub fn of(content_type: &str) -> Self {
        let starts_with =
            |prefix: &str| content_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        if starts_with("application/cloudevents-batch") {
            Self::Batch
        } else if starts_with("application/cloudevents") {
            Self::Structured
        } else {
            Self::Binary
        }
    }
}

/// What was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission<'a> {
    Single(CloudEvent),
    /// The text of each event, in the order sent; there may be none. Whether it is an event, only
    /// [`CloudEvent::from_json`] tells: so a batch is in memory once, and its events are, one after the other, twice.
    Batch(Vec<&'a str>),
}

/// Why a request holds no event at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Structured or batched, in a format or charset that is not spoken here.
    #[error("the content type {content_type} is not supported: {detail}")]
    UnsupportedMediaType { content_type: String, detail: &'static str },
    #[error("a batch takes at most {most} events; send several")]
    TooManyEvents { most: usize },
    #[error(transparent)]
    Malformed(#[from] Invalid),
}

/// Reads a request. Names of headers may be in any case; values are the bytes received. Headers other than
/// `Content-Type` count in binary mode only.
///
/// Binary mode's choices, where the specification leaves one:
/// - A comma stands in quotes or as `%2C`, but in `ce-tracestate`, which is a list: on the way to a receiver, a header that
///   is there twice may become one, joined by a comma (RFC 9110, section 5.3).
/// - A malformed percent escape is taken literally (`100%` is `100%`): most senders do not encode a bare `%`.
/// - A value is unquoted where all of it is one quoted string; any other double quote is taken literally.
/// - An empty body is no data.
/// - A body without `Content-Type` must be JSON.
///
/// A batch of more than `most` events is refused as soon as the first one beyond is found.
pub fn from_http<'h, 'b>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    body: &'b [u8],
    most: usize,
) -> Result<Submission<'b>, HttpError> {
    let mut content_type = None;
    let mut binary = BinaryHeaders::default();
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-type") {
            if content_type.replace(headers::text(value)).is_some() {
                return Err(Invalid::attributed("content-type", "must not be there twice").into());
            }
        } else {
            binary.collect(name, value);
        }
    }
    let content_type = content_type.transpose().map_err(|_| Invalid::attributed("content-type", "must be in UTF-8"))?;

    match Mode::of(content_type.unwrap_or_default()) {
        Mode::Structured => {
            expect_format(content_type, "application/cloudevents+json")?;
            Ok(Submission::Single(CloudEvent::from_json(body)?))
        }
        Mode::Batch => {
            expect_format(content_type, "application/cloudevents-batch+json")?;
            Ok(Submission::Batch(json_format::batch(body, most)?))
        }
        Mode::Binary => {
            let attributes = binary.attributes(content_type)?;
            let payload = if body.is_empty() { Payload::None } else { Payload::Bytes(body.to_vec()) };
            Ok(Submission::Single(attributes::into_event(attributes, payload).map_err(headers::in_header_terms)?))
        }
    }
}

fn expect_format(content_type: Option<&str>, expected: &'static str) -> Result<(), HttpError> {
    let content_type = content_type.unwrap_or_default();
    let detail = match MediaType::parse(content_type) {
        Some(media_type) if media_type.essence() != expected => {
            "events are read as application/cloudevents+json and application/cloudevents-batch+json"
        }
        Some(media_type) if !media_type.is_utf8() => "JSON is read as charset=utf-8, which need not be said",
        Some(_) => return Ok(()),
        None => "it is not a media type (RFC 9110, section 8.3.1)",
    };
    Err(HttpError::UnsupportedMediaType { content_type: clipped(content_type), detail })
}
