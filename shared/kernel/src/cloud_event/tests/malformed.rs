//! Every kind of malformed request in `events/malformed.json`, which ingest's tests send over HTTP too.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::super::{CloudEvent, HttpError, Invalid, Submission, from_http};
use super::MOST;

const CASES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/malformed.json"));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    headers: Vec<(String, String)>,
    body: String,
    /// The attribute at fault, as the answer names it.
    attribute: Option<String>,
    /// The position of the event at fault, in a batch.
    #[serde(default)]
    index: Option<usize>,
    status: u16,
}

impl Case {
    fn received(&self) -> Result<Submission<'_>, HttpError> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        from_http(headers, self.body.as_bytes(), MOST)
    }

    /// The fault, and its index in a batch; the one of a content type has no attribute.
    fn fault(&self) -> (u16, Option<String>, Option<usize>) {
        let named = |invalid: &Invalid| invalid.attribute().map(str::to_owned);
        match self.received() {
            Err(HttpError::UnsupportedMediaType { .. }) => (415, None, None),
            Err(HttpError::Malformed(invalid)) => (400, named(&invalid), None),
            Err(error @ HttpError::TooManyEvents { .. }) => panic!("{}: {error}", self.name),
            Ok(Submission::Single(event)) => panic!("{}: accepted as {event:?}", self.name),
            Ok(Submission::Batch(events)) => {
                let fault =
                    |(index, event): (usize, &str)| Some((index, CloudEvent::from_json(event.as_bytes()).err()?));
                let faults: Vec<_> = events.into_iter().enumerate().filter_map(fault).collect();
                let [(index, invalid)] = &faults[..] else { panic!("{}: not one fault: {faults:?}", self.name) };
                (400, named(invalid), Some(*index))
            }
        }
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(CASES).expect("the file of cases is valid")
}

#[test]
fn each_malformed_request_is_refused_with_the_attribute_named() {
    for case in cases() {
        assert_eq!(case.fault(), (case.status, case.attribute.clone(), case.index), "{}", case.name);
    }
}

#[test]
fn each_refusal_reads_as_a_sentence_of_bounded_length() {
    for case in cases() {
        let sentence = match case.received() {
            Err(error) => error.to_string(),
            Ok(Submission::Batch(events)) => {
                let mut read = events.into_iter().map(|event| CloudEvent::from_json(event.as_bytes()));
                read.find_map(Result::err).map(|invalid| invalid.to_string()).unwrap_or_default()
            }
            Ok(Submission::Single(_)) => String::new(),
        };
        assert!((10..320).contains(&sentence.len()), "{}: {sentence}", case.name);
    }
}

#[test]
fn the_cases_have_names_of_their_own() {
    let cases = cases();
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len());
}

#[test]
fn a_body_that_is_not_utf_8_is_refused() {
    let header = [("content-type", &b"application/cloudevents+json"[..])];
    let refusal = from_http(header.into_iter(), b"{\"specversion\":\"1.0\xff\"}", MOST);
    assert!(matches!(refusal, Err(HttpError::Malformed(invalid)) if invalid.to_string().contains("UTF-8")));
}

#[test]
fn a_header_that_is_not_utf_8_is_refused() {
    let refused = |name| match from_http([(name, &b"a\xff"[..])].into_iter(), b"{}", MOST) {
        Err(HttpError::Malformed(invalid)) => invalid.attribute().map(str::to_owned),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused("content-type").as_deref(), Some("content-type"));
    assert_eq!(refused("CE-Subject").as_deref(), Some("ce-subject"));
}
