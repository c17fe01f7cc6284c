//! Reading streams without knowing what they mean.

use kernel::domain_event::RecordedEvent;
use proptest::prelude::*;

use crate::probe::{self, Command, Write};
use crate::world::{World, run, stream};

/// A world with a stream `S-1` of commits with so many events each.
async fn world_with(commits: impl IntoIterator<Item = usize>, letters: usize) -> World {
    let world = World::of(probe::context::<1>());
    let stream = stream("S-1");
    let mut loaded = world.load(&stream).await;
    for (number, lines) in commits.into_iter().enumerate() {
        let write = Command::from(Write { lines, letters });
        loaded = world.append(&stream, &loaded, &number.to_string(), write).await;
    }
    world
}

fn versions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.version).collect()
}

#[tokio::test]
async fn all_that_is_missing_is_read_and_no_more() {
    let world = world_with([3, 1, 4], 1).await;
    for (version, missing) in [(0, 1..=8), (2, 3..=8), (3, 4..=8), (6, 7..=8), (7, 8..=8)] {
        let events = world.streams.after(&stream("S-1"), version).await.expect("events");
        assert_eq!(versions(&events), missing.collect::<Vec<_>>(), "after {version}");
    }
    for up_to_date in [8, 9] {
        let events = world.streams.after(&stream("S-1"), up_to_date).await.expect("events");
        assert!(events.is_empty(), "after {up_to_date}: {:?}", versions(&events));
    }
    assert!(world.streams.after(&stream("nobody"), 0).await.expect("nothing").is_empty());
}

#[tokio::test]
async fn a_short_way_back_costs_one_call_however_long_the_stream() {
    let world = world_with([1; 100], 1).await;
    world.aws.forget_calls();
    let events = world.streams.after(&stream("S-1"), 90).await.expect("events");
    assert_eq!(versions(&events), (91..=100).collect::<Vec<_>>());
    assert_eq!(world.aws.calls().len(), 1, "{}", world.aws.calls());
}

#[tokio::test]
async fn more_than_a_megabyte_takes_several_pages() {
    let world = world_with([1; 30], 100_000).await;
    world.aws.forget_calls();
    let events = world.streams.after(&stream("S-1"), 1).await.expect("events");
    assert_eq!(versions(&events), (2..=30).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event.event.data.get().len() > 100_000), "whole");
    assert!((3..=4).contains(&world.aws.calls().len()), "{}", world.aws.calls());
}

#[tokio::test]
async fn a_page_of_history_ends_at_a_megabyte_and_the_next_one_goes_on() {
    let world = world_with([1; 30], 100_000).await;
    let (mut found, mut after) = (Vec::new(), Some(0));
    while let Some(commit) = after {
        let (events, next) = world.streams.history(&stream("S-1"), commit, 100).await.expect("a page");
        assert!(next.is_none_or(|next| next > commit), "{next:?} after {commit}");
        found.extend(versions(&events));
        after = next;
    }
    assert_eq!(found, (1..=30).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn history_shows_every_event_once_whatever_the_page(
        commits in prop::collection::vec(1..4_usize, 0..12),
        page in 1..15_i32,
    ) {
        run(async {
            let world = world_with(commits.iter().copied(), 1).await;
            let (mut found, mut after) = (Vec::new(), Some(0));
            while let Some(commit) = after {
                let (events, next) = world.streams.history(&stream("S-1"), commit, page).await.expect("a page");
                found.extend(versions(&events));
                after = next;
            }
            assert_eq!(found, (1..=commits.iter().sum::<usize>() as u64).collect::<Vec<_>>(), "{page} of {commits:?}");
        });
    }
}
