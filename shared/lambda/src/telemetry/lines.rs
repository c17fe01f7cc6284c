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
/// The JSON format of `tracing-subscriber` writes the same, and the span's name. But it parses the span's fields anew for
/// each line, which takes as long as all else of it.
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
        && let Ok(fields) = serde_json::from_str::<&RawValue>(fields)
    {
        line.serialize_entry("span", fields)?;
    }
    line.end()?;
    Ok(json.into_inner())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use testkit::Log;
    use tracing::field::Empty;

    use super::*;

    /// The lines that are written meanwhile, without their time.
    fn lines(write: impl FnOnce()) -> Vec<Value> {
        let log = Log::default();
        let format =
            tracing_subscriber::fmt().fmt_fields(JsonFields::new()).event_format(Lines).with_writer(log.clone());
        tracing::subscriber::with_default(format.finish(), write);
        let mut lines = log.lines();
        for line in &mut lines {
            let time = line.as_object_mut().and_then(|line| line.remove("timestamp")).expect("a time");
            assert!(time.as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 27), "{time}");
        }
        lines
    }

    #[test]
    fn a_line_has_the_events_fields_and_those_of_the_innermost_span() {
        let lines = lines(|| {
            tracing::warn!(count = 2, text = "a \"quote\"\n", nothing = None::<u8>, "no span");
            tracing::info_span!("outer", tenant = "acme").in_scope(|| {
                let inner = tracing::info_span!("inner", operation = "op", late = Empty, never = Empty);
                inner.record("late", 7);
                inner.in_scope(|| tracing::info!(is_warm = true, "in two"));
            });
            tracing::info_span!("empty").in_scope(|| tracing::error!("in one without fields"));
        });
        let expected = [
            json!({ "level": "WARN", "message": "no span", "count": 2, "text": "a \"quote\"\n" }),
            json!({
                "level": "INFO", "message": "in two", "is_warm": true,
                "span": { "operation": "op", "late": 7 },
            }),
            json!({ "level": "ERROR", "message": "in one without fields", "span": {} }),
        ];
        assert_eq!(lines, expected);
    }
}
