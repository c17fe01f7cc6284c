//! Packing entries into batches that keep both bounds of an AWS batch call: number and total size.

use std::time::Duration;

/// Entries in any SQS or SNS batch call.
const MAX_ENTRIES: usize = 10;

/// How often refused entries of a batch are tried again before the batch counts as failed.
pub(crate) const RETRIES: u32 = 3;

/// Splits `entries` into batches, in order, each of at most ten entries and `max_bytes` in total.
pub(crate) fn pack<T>(entries: Vec<T>, max_bytes: usize, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let entry_bytes = size(&entry);
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes + entry_bytes <= max_bytes => {
                batch.push(entry);
                bytes += entry_bytes;
            }
            _ => {
                batches.push(vec![entry]);
                bytes = entry_bytes;
            }
        }
    }
    batches
}

/// A pause before the `nth` retry (from 0): exponential, with full jitter.
pub(crate) async fn back_off(nth: u32) {
    let most = 50 << nth.min(6);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(most / 2..=most))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_at_ten_entries() {
        let sizes: Vec<usize> = pack(vec![1; 25], 1000, |size| *size).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }

    #[test]
    fn a_batch_ends_before_it_is_too_heavy_and_keeps_the_order() {
        assert_eq!(pack(vec![60, 40, 1, 100, 5], 100, |size| *size), [vec![60, 40], vec![1], vec![100], vec![5]]);
    }

    #[test]
    fn nothing_needs_no_batch() {
        assert!(pack(Vec::<usize>::new(), 100, |size| *size).is_empty());
    }
}
