//! What holds for the module as a whole; what holds for one file is tested in that file.

mod accepted;
mod hostile;
mod malformed;
mod round_trips;

use super::{CloudEvent, HttpError, Invalid, Submission, from_http};

type Headers<'a> = &'a [(&'a str, &'a str)];

/// Events in a batch here.
const MOST: usize = 100;

fn received<'a>(headers: Headers<'_>, body: &'a [u8]) -> Result<Submission<'a>, HttpError> {
    from_http(headers.iter().map(|(name, value)| (*name, value.as_bytes())), body, MOST)
}

fn single(headers: Headers<'_>, body: &[u8]) -> CloudEvent {
    match received(headers, body) {
        Ok(Submission::Single(event)) => event,
        other => panic!("not one event: {other:?}"),
    }
}

const BATCH: Headers<'_> = &[("content-type", "application/cloudevents-batch+json")];

fn batch(body: &[u8]) -> Vec<Result<CloudEvent, Invalid>> {
    match received(BATCH, body) {
        Ok(Submission::Batch(events)) => {
            events.into_iter().map(|event| CloudEvent::from_json(event.as_bytes())).collect()
        }
        other => panic!("not a batch: {other:?}"),
    }
}

/// A JSON event with these members besides the required ones.
fn json_with(members: &str) -> Result<CloudEvent, Invalid> {
    let required = r#""specversion":"1.0","id":"1","source":"/s","type":"t""#;
    CloudEvent::from_json(format!("{{{required},{members}}}").as_bytes())
}
