//! A batch: all of its events are admitted, or each that cannot be is named by its index.

#![no_main]

use std::collections::BTreeSet;

use fuzz::DOOR;
use kernel::cloud_event::{HttpError, Submission, batch_to_json, from_http};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let events = match read(body) {
        Ok(Submission::Batch(events)) => events,
        Err(HttpError::Malformed(invalid)) => return fuzz::says_why(&invalid),
        other => panic!("{other:?}"),
    };
    let valid: Vec<_> = events.iter().filter_map(|event| event.as_ref().ok()).collect();
    let back = Submission::Batch(valid.iter().map(|event| Ok((*event).clone())).collect());
    assert_eq!(read(batch_to_json(valid.into_iter()).as_bytes()), Ok(back));

    let admitted = |event: &Result<_, _>| event.clone().is_ok_and(|event| DOOR.admit(event).is_ok());
    let refused: BTreeSet<usize> =
        events.iter().enumerate().filter(|(_, event)| !admitted(event)).map(|(index, _)| index).collect();
    let count = events.len();
    match ingest::admit_all(events, |event| DOOR.admit(event)) {
        Ok(admitted) => assert_eq!((admitted.len(), refused.len()), (count, 0)),
        Err(problem) => {
            assert_eq!(problem.status, 400);
            let named = problem.errors.iter().map(|fault| fault.index.expect("an index")).collect();
            assert_eq!(refused, named, "{problem:?}");
            assert!(problem.errors.iter().all(|fault| fault.ty.is_some() && !fault.detail.is_empty()), "{problem:?}");
        }
    }
});

fn read(body: &[u8]) -> Result<Submission, HttpError> {
    from_http([("content-type", b"application/cloudevents-batch+json".as_slice())].into_iter(), body)
}
