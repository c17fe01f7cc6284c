//! A batch: all of its events are admitted, or each that cannot be is named by its index.

#![no_main]

use std::collections::BTreeSet;

use fuzz::{DOOR, MAX_BATCH};
use kernel::cloud_event::{CloudEvent, HttpError, Submission, batch_to_json, from_http};
use libfuzzer_sys::fuzz_target;
use schemas::Budget;

fuzz_target!(|body: &[u8]| {
    let events = match read(body) {
        Ok(Submission::Batch(events)) => events,
        Err(HttpError::Malformed(invalid)) => return fuzz::says_why(&invalid),
        Err(HttpError::TooManyEvents { most }) => return assert_eq!(most, MAX_BATCH),
        other => panic!("{other:?}"),
    };
    let valid: Vec<_> = events.iter().filter_map(|event| CloudEvent::from_json(event.as_bytes()).ok()).collect();
    let written = batch_to_json(valid.iter());
    let Ok(Submission::Batch(back)) = read(written.as_bytes()) else { panic!("no batch: {written}") };
    let back: Vec<_> =
        back.into_iter().map(|event| CloudEvent::from_json(event.as_bytes()).expect("an event")).collect();
    assert_eq!(back, valid);

    let mut budget = Budget::for_request();
    let refused = |(index, event): (usize, &&str)| {
        let event = CloudEvent::from_json(event.as_bytes()).ok();
        let admitted = event.is_some_and(|event| DOOR.admit_of(&mut budget, event).is_ok());
        (!admitted).then_some(index)
    };
    let refused: BTreeSet<usize> = events.iter().enumerate().filter_map(refused).collect();
    let mut budget = Budget::for_request();
    match ingest::admit_all(&events, |event| DOOR.admit_of(&mut budget, event)) {
        Ok(admitted) => assert_eq!((admitted.len(), refused.len()), (events.len(), 0)),
        Err(problem) => {
            assert_eq!(problem.status, 400);
            let named = problem.errors.iter().map(|fault| fault.index.expect("an index")).collect();
            assert_eq!(refused, named, "{problem:?}");
            assert!(problem.errors.iter().all(|fault| fault.ty.is_some() && !fault.detail.is_empty()), "{problem:?}");
        }
    }
});

fn read(body: &[u8]) -> Result<Submission<'_>, HttpError> {
    from_http([("content-type", b"application/cloudevents-batch+json".as_slice())].into_iter(), body, MAX_BATCH)
}
