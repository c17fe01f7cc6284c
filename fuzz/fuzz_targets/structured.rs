//! One event in the JSON format.

#![no_main]

use kernel::cloud_event::{HttpError, Submission, from_http};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let headers = [("content-type", b"application/cloudevents+json".as_slice())];
    match from_http(headers.into_iter(), body, fuzz::MAX_BATCH) {
        Ok(Submission::Single(event)) => fuzz::holds(&event),
        Err(HttpError::Malformed(invalid)) => fuzz::says_why(&invalid),
        other => panic!("{other:?}"),
    }
});
