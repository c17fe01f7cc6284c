use proptest::prelude::*;

use super::*;

fn rate(per_second: u32, burst: u32) -> Rate {
    let positive = |number| NonZeroU32::new(number).expect("more than none");
    Rate { per_second: positive(per_second), burst: positive(burst) }
}

fn limits(tenant: Rate, stream: Rate) -> Limits {
    Limits::new(Rates { tenant, stream })
}

fn acme() -> TenantId {
    TenantId::parse("acme").expect("a tenant")
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + millis)
}

/// So many commands, each for a stream of its own.
fn send(limits: &Limits, count: usize, now: Timestamp) -> Result<(), Throttled> {
    let groups: Vec<String> = (0..count).map(|nth| format!("acme/orders/O-{nth}")).collect();
    limits.take(&acme(), &TenantLimits::default(), groups.iter().map(String::as_str), now)
}

/// So many commands for this stream.
fn send_to(limits: &Limits, stream: &str, count: usize, now: Timestamp) -> Result<(), Throttled> {
    limits.take(&acme(), &TenantLimits::default(), std::iter::repeat_n(stream, count), now)
}

const PLENTY: u32 = 1_000_000;

#[test]
fn a_burst_is_taken_and_then_so_many_a_second() {
    let limits = limits(rate(10, 50), rate(PLENTY, PLENTY));
    for _ in 0..50 {
        assert_eq!(send(&limits, 1, at(0)), Ok(()));
    }
    assert_eq!(send(&limits, 1, at(99)), Err(Throttled::Tenant { rate: rate(10, 50), seconds: 1 }));
    let taken = (0..10_000).filter(|millis| send(&limits, 1, at(*millis)).is_ok()).count();
    assert_eq!(taken, 99, "ten a second, for ten seconds less a moment");
}

#[test]
fn a_batch_counts_as_many_as_it_has_and_is_taken_whole_or_not_at_all() {
    let limits = limits(rate(10, 100), rate(PLENTY, PLENTY));
    assert_eq!(send(&limits, 70, at(0)), Ok(()));
    assert_eq!(send(&limits, 31, at(0)), Err(Throttled::Tenant { rate: rate(10, 100), seconds: 1 }));
    assert_eq!(send(&limits, 60, at(0)), Err(Throttled::Tenant { rate: rate(10, 100), seconds: 3 }));
    assert_eq!(send(&limits, 30, at(0)), Ok(()), "what was refused has used nothing up");
}

#[test]
fn a_batch_larger_than_the_burst_is_taken_by_a_full_bucket_and_paid_for_afterwards() {
    let limits = limits(rate(10, 20), rate(PLENTY, PLENTY));
    assert_eq!(send(&limits, 1, at(0)), Ok(()));
    assert_eq!(send(&limits, 100, at(50)), Err(Throttled::Tenant { rate: rate(10, 20), seconds: 1 }));
    assert_eq!(send(&limits, 100, at(100)), Ok(()));
    // Eighty more than it held.
    assert_eq!(send(&limits, 1, at(100)), Err(Throttled::Tenant { rate: rate(10, 20), seconds: 9 }));
    assert_eq!(send(&limits, 1, at(8_199)), Err(Throttled::Tenant { rate: rate(10, 20), seconds: 1 }));
    assert_eq!(send(&limits, 1, at(8_200)), Ok(()));
}

#[test]
fn one_stream_has_a_limit_of_its_own_and_holds_no_other_up() {
    let limits = limits(rate(100, 100), rate(5, 10));
    assert_eq!(send_to(&limits, "acme/orders/O-1", 10, at(0)), Ok(()));
    let refused = Err(Throttled::Stream { rate: rate(5, 10), seconds: 1 });
    for _ in 0..1_000 {
        assert_eq!(send_to(&limits, "acme/orders/O-1", 1, at(0)), refused);
    }
    assert_eq!(send_to(&limits, "acme/orders/O-2", 10, at(0)), Ok(()), "nor has it used the tenant's up");
    let mixed = ["acme/orders/O-3", "acme/orders/O-1"].into_iter();
    assert_eq!(limits.take(&acme(), &TenantLimits::default(), mixed, at(0)), refused, "all of a batch or nothing");
    assert_eq!(send_to(&limits, "acme/orders/O-3", 10, at(0)), Ok(()));
    assert_eq!(send_to(&limits, "acme/orders/O-1", 1, at(200)), Ok(()));
}

#[test]
fn where_tenant_and_stream_have_to_wait_as_long_it_is_the_tenant_that_is_named() {
    let limits = limits(rate(1, 1), rate(1, 1));
    assert_eq!(send_to(&limits, "acme/orders/O-1", 1, at(0)), Ok(()));
    let refused = Err(Throttled::Tenant { rate: rate(1, 1), seconds: 1 });
    assert_eq!(send_to(&limits, "acme/orders/O-1", 1, at(0)), refused);
}

#[test]
fn a_tenants_own_limits_take_the_place_of_the_defaults_one_by_one() {
    let limits = limits(rate(1, 1), rate(1, 1));
    let own = TenantLimits {
        command_burst: NonZeroU32::new(7),
        stream_command_burst: NonZeroU32::new(3),
        ..TenantLimits::default()
    };
    let take = |stream: &str, count, now| limits.take(&acme(), &own, std::iter::repeat_n(stream, count), now);
    assert_eq!(take("a/o/1", 3, at(0)), Ok(()));
    assert_eq!(take("a/o/1", 1, at(0)), Err(Throttled::Stream { rate: rate(1, 3), seconds: 1 }));
    assert_eq!(take("a/o/2", 3, at(0)), Ok(()));
    assert_eq!(take("a/o/3", 3, at(0)), Err(Throttled::Tenant { rate: rate(1, 7), seconds: 2 }));
    assert_eq!(limits.look(&acme(), &TenantLimits { paused: true, ..own }, 0, at(0)), Err(Throttled::Paused));
}

#[test]
fn neither_a_clock_that_was_ahead_nor_a_limit_that_was_raised_keeps_anybody_out() {
    let limits = limits(rate(10, 10), rate(PLENTY, PLENTY));
    assert_eq!(send(&limits, 10, at(365 * 24 * 60 * 60 * 1000)), Ok(()));
    let Err(Throttled::Tenant { seconds, .. }) = send(&limits, 1, at(0)) else { panic!("taken") };
    assert!(seconds <= 11, "{seconds} seconds: what the bucket holds, and a batch more");

    let slow = TenantLimits { commands_per_second: NonZeroU32::new(1), ..TenantLimits::default() };
    let limits = self::limits(rate(1000, 10), rate(PLENTY, PLENTY));
    let groups = || (0..100).map(|nth| ["a", "b", "c"][nth % 3]);
    assert_eq!(limits.take(&acme(), &slow, groups(), at(0)), Ok(()));
    assert!(limits.look(&acme(), &slow, 1, at(1_000)).is_err());
    assert_eq!(
        limits.look(&acme(), &TenantLimits::default(), 1, at(1_000)).err(),
        Some(Throttled::Tenant { rate: rate(1000, 10), seconds: 1 })
    );
}

#[test]
fn however_many_streams_there_are_memory_is_bounded() {
    let limits = limits(rate(PLENTY, PLENTY), rate(1, 10));
    for nth in 0..100_000 {
        assert_eq!(send_to(&limits, &format!("acme/orders/O-{nth}"), 1, at(nth / 100)), Ok(()));
        if nth % 1000 == 0 {
            let kept = limits.buckets.lock().expect("no panic").streams.0.len();
            assert!(kept <= MOST_BUCKETS, "{kept} buckets");
        }
    }
    assert_eq!(send_to(&limits, "acme/orders/busy", 10, at(5_000)), Ok(()));
    for nth in 0..3_000 {
        assert_eq!(send_to(&limits, &format!("acme/orders/P-{nth}"), 1, at(5_000)), Ok(()));
    }
    assert!(send_to(&limits, "acme/orders/busy", 1, at(5_000)).is_err(), "full buckets are forgotten first");
}

/// Counts what is left of so many buckets that are not full and so many that have just become so, and one more.
fn kept(not_full: usize, full: usize) -> usize {
    let (mut level, now) = (Level::default(), 1_000_000);
    let full_at = |nth: usize| if nth < not_full { now + 1 } else { now };
    level.0.extend((0..not_full + full).map(|nth| (nth.to_string(), full_at(nth))));
    level.take("one more", rate(1, 1), 1, now);
    level.0.len()
}

#[test]
fn full_buckets_are_forgotten_and_all_if_most_of_them_are_not_full() {
    let half = MOST_BUCKETS / 2;
    assert_eq!(kept(half, half - 1), MOST_BUCKETS, "there was room");
    assert_eq!(kept(half, half), half + 1);
    assert_eq!(kept(half + 1, half - 1), 1);
}

proptest! {
    #[test]
    fn nothing_exceeds_its_rate_and_whoever_waits_as_told_is_taken_and_not_sooner(
        per_second in 1_u32..50,
        burst in 1_u32..200,
        requests in proptest::collection::vec((0_u64..3_000, 1_usize..=MAX_BATCH), 1..60),
    ) {
        let limits = limits(rate(per_second, burst), rate(PLENTY, PLENTY));
        let (mut now, mut taken) = (0, 0);
        for (pause, count) in requests {
            now += pause;
            match send(&limits, count, at(now)) {
                Ok(()) => taken += count,
                Err(Throttled::Tenant { seconds, .. }) => {
                    let told = now + u64::from(seconds) * 1000;
                    prop_assert_eq!(limits.look(&acme(), &TenantLimits::default(), count, at(told)), Ok(()));
                    let sooner = at(told - 1000);
                    prop_assert!(limits.look(&acme(), &TenantLimits::default(), count, sooner).is_err());
                }
                Err(other) => panic!("{other:?}"),
            }
            let most = u64::from(burst) + MAX_BATCH as u64 + now * u64::from(per_second) / 1000;
            prop_assert!(taken as u64 <= most, "{} of {} in {} ms", taken, most, now);
        }
    }
}
