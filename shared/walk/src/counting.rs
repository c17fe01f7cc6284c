//! What a segment counts.

use store::jobs::{Failure, Segment};

/// Bytes of an error that are told: a segment is an item, which has 400 KB.
const LONGEST_ERROR: usize = 500;

/// Of a segment's failures, so many are told one by one.
const MOST_FAILURES: usize = 5;

/// The counting of a segment.
pub trait Counting {
    fn add(&mut self, name: &str, amount: u64);
    fn count(&self, name: &str) -> u64;
    /// One more that could not be done.
    fn failed(&mut self, what: &str, error: &str);
}

impl Counting for Segment {
    fn add(&mut self, name: &str, amount: u64) {
        *self.counts.entry(name.to_owned()).or_default() += amount;
    }

    fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    fn failed(&mut self, what: &str, error: &str) {
        self.add("failed", 1);
        if self.failures.len() < MOST_FAILURES {
            let error = error[..error.floor_char_boundary(LONGEST_ERROR)].to_owned();
            self.failures.push(Failure { what: what.to_owned(), error });
        }
    }
}

/// What all segments have counted under a name.
pub fn sum(segments: &[Segment], name: &str) -> u64 {
    segments.iter().map(|segment| segment.count(name)).sum()
}

/// How many segments are done.
pub fn done(segments: &[Segment]) -> u32 {
    segments.iter().map(|segment| u32::from(segment.done)).sum()
}

/// The failures of all segments that are told one by one.
pub fn failures(segments: &[Segment]) -> Vec<Failure> {
    segments.iter().flat_map(|segment| segment.failures.clone()).collect()
}
