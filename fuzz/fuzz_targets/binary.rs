//! Headers and a body: `name: value` in each line up to an empty one, then the body.

#![no_main]

use kernel::cloud_event::{CloudEvent, HttpError, Submission, from_http};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|request: &[u8]| {
    let (head, body) = split_once(request, b"\n\n").unwrap_or((request, &[]));
    let headers = head.split(|byte| *byte == b'\n').filter_map(|line| split_once(line, b": "));
    let headers = headers.filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)));
    match from_http(headers, body, fuzz::MAX_BATCH) {
        Ok(Submission::Single(event)) => fuzz::holds(&event),
        Ok(Submission::Batch(events)) => {
            for event in events {
                CloudEvent::from_json(event.as_bytes())
                    .map_or_else(|invalid| fuzz::says_why(&invalid), |event| fuzz::holds(&event));
            }
        }
        Err(HttpError::Malformed(invalid)) => fuzz::says_why(&invalid),
        Err(HttpError::TooManyEvents { most }) => assert_eq!(most, fuzz::MAX_BATCH),
        Err(HttpError::UnsupportedMediaType { content_type, .. }) => assert!(content_type.chars().count() < 80),
    }
});

fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}
