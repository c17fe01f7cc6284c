//! Timers: seconds and weeks, cancelled, replaced, lost, and many at once.

use std::time::Duration;

use bench::platform;
use serde_json::Value;
use testkit::TABLES;

use crate::probe::{SOON, Watch, watches};
use crate::{dispatch, installation, watched};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test(start_paused = true)]
async fn a_timer_is_due_to_the_second_soon_or_after_weeks() {
    for (days, time) in [(0, SOON), (1, DAY), (40, 40 * DAY)] {
        let it = installation();
        dispatch(&it, "silent-1", days).await;
        it.pass(time.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(watched(&it, "silent-1"), ["Watched"], "{days} days are not over");
        it.pass(Duration::from_secs(2)).await;
        assert_eq!(watched(&it, "silent-1"), ["Watched", "TimedOut"], "after {days} days");
        assert_eq!(it.timers(), [] as [String; 0], "its command is in its queue");
        let [watched, timed_out] = &it.recorded("acme/watches/silent-1")[..] else { panic!("two events") };
        assert_eq!(timed_out.event.cause.correlation, watched.event.cause.correlation);
        it.pass(DAY).await;
        assert_eq!(it.outcomes("watches").len(), 2, "once");
    }
}

/// Watched anew for longer, so that the timer is replaced; then the first one comes all the same.
async fn replaced_and_yet_handed_in(parcel: &str) -> Vec<String> {
    let it = installation();
    dispatch(&it, parcel, 0).await;
    it.settle().await;
    let first = it.aws.items(TABLES.timers).remove(0);
    it.pass(SOON / 2).await;
    it.send("watches", parcel, "again", watches::Command::from(Watch { days: 1 })).await;
    it.settle().await;
    it.pass(SOON).await;
    assert_eq!(watched(&it, parcel), ["Watched", "Watched"], "its row is another's, so its message hands nothing in");
    it.aws.insert(TABLES.timers, &first);
    let id = ["timer_key", "commit_number", "place"].map(|name| (name.to_owned(), first[name].clone()));
    it.aws.put(&platform::timers(), None, None, &Value::Object(id.into_iter().collect()).to_string());
    it.settle().await;
    assert!(it.outcomes("watches").contains(&("TimeIsUp".into(), parcel.into(), "succeeded".into())));
    watched(&it, parcel)
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_was_replaced_has_no_effect_even_if_it_comes() {
    assert_eq!(replaced_and_yet_handed_in("silent-1").await, ["Watched", "Watched"]);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_does_not_fold_a_stale_timer_away_is_noticed() {
    assert_eq!(replaced_and_yet_handed_in("silent-careless").await, ["Watched", "Watched", "TimedOut"]);
}

#[tokio::test(start_paused = true)]
async fn a_timer_whose_message_is_lost_is_found_and_sent_again() {
    let it = installation();
    dispatch(&it, "silent-1", 0).await;
    it.settle().await;
    assert_eq!(it.aws.remove(&platform::timers(), |_| true), 1, "its message");
    it.pass(SOON + Duration::from_mins(3)).await;
    assert_eq!(watched(&it, "silent-1"), ["Watched"], "it is late");
    it.pass(Duration::from_mins(4)).await;
    assert_eq!(watched(&it, "silent-1"), ["Watched", "TimedOut"], "and not forgotten");
}

#[tokio::test(start_paused = true)]
async fn an_older_setting_that_comes_again_does_not_replace_a_newer_one() {
    let it = installation();
    dispatch(&it, "silent-1", 1).await;
    it.settle().await;
    it.send("watches", "silent-1", "again", watches::Command::from(Watch { days: 2 })).await;
    it.settle().await;
    let newer = it.aws.items(TABLES.timers);
    it.publish_again("acme/watches/silent-1", 1).await;
    assert_eq!(it.aws.items(TABLES.timers), newer);
    it.pass(3 * DAY).await;
    assert_eq!(watched(&it, "silent-1"), ["Watched", "Watched", "TimedOut"]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_timers_of_one_second_are_handed_in_within_a_minute() {
    const MANY: usize = 1_000;
    let it = installation();
    for nth in 0..MANY {
        dispatch(&it, &format!("silent-{nth}"), 1).await;
    }
    it.settle().await;
    assert_eq!(it.timers().len(), MANY);
    it.pass(DAY).await;
    it.pass(Duration::from_mins(1)).await;
    let fired =
        it.outcomes("watches").into_iter().filter(|(ty, _, outcome)| ty == "TimeIsUp" && outcome == "succeeded");
    assert_eq!(fired.count(), MANY);
    assert_eq!(it.timers(), [] as [String; 0]);
}
