//! How a log line is written.

use std::fmt;

use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::value::RawValue;
use tracing::{Event, Subscriber};
use tracing_serde::SerdeMapVisitor;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// A JSON object a line: `timestamp`, `level`, `message` and other fields of the event, and in `span` the fields of the
/// innermost span.
///
/// The JSON format of `tracing-subscriber` says the same, and the span's name. But it parses the span's fields anew for each
/// line, which takes as long as all else of it.
pub struct Lines;

impl<S> FormatEvent<S, JsonFields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let line = line(context, event).map_err(|_| fmt::Error)?;
        writer.write_str(str::from_utf8(&line).map_err(|_| fmt::Error)?)?;
        writer.write_char('\n')
    }
}

fn line<S>(context: &FmtContext<'_, S, JsonFields>, event: &Event<'_>) -> Result<Vec<u8>, Box<dyn std::error::Error>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut timestamp = String::new();
    SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
    let mut json = serde_json::Serializer::new(Vec::with_capacity(512));
    let mut line = json.serialize_map(None)?;
    line.serialize_entry("timestamp", &timestamp)?;
    line.serialize_entry("level", event.metadata().level().as_str())?;
    let mut fields = SerdeMapVisitor::new(line);
    event.record(&mut fields);
    let mut line = fields.take_serializer()?;
    if let Some(span) = context.lookup_current()
        && let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>()
    {
        line.serialize_entry("span", serde_json::from_str::<&RawValue>(fields)?)?;
    }
    line.end()?;
    Ok(json.into_inner())
}
