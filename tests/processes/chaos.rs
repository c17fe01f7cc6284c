//! Many processes at once while everything goes wrong, from a seed: calls refused, unheard and cut off, messages twice and out
//! of order. In the end each has ended as it should, once.

use std::time::Duration;

use fastrand::Rng;
use testkit::{Attempt, Disturbance, Fault};

use crate::{dispatch, happened, installation, watched};

const PARCELS: usize = 40;

/// Of a thousand attempts, how many meet a fault.
const FAULTS: u32 = 60;

fn fault(random: &mut Rng) -> Fault {
    if random.u32(..1000) >= FAULTS {
        return Fault::None;
    }
    match random.u32(..5) {
        0 => Fault::Throttle,
        1 => Fault::refuse(500, "InternalServerError"),
        2 => Fault::LoseRequest,
        3 => Fault::LoseAnswer,
        _ => Fault::TransactionConflict { item: 0 },
    }
}

#[tokio::test(start_paused = true)]
async fn every_process_ends_once_whatever_goes_wrong() {
    for seed in 1..=4 {
        let it = installation();
        let twice = Disturbance {
            duplicated: 100,
            deletes_forgotten: 50,
            undelivered: 0,
            delivery: Duration::from_secs(20),
            reordered: true,
            short: 50,
            miscounted: 0,
        };
        let parcels: Vec<String> = (0..PARCELS)
            .map(|nth| match nth % 3 {
                0 => format!("P-{nth}"),
                1 => format!("held-{nth}"),
                _ => format!("silent-{nth}"),
            })
            .collect();
        for parcel in &parcels {
            dispatch(&it, parcel, 0).await;
        }
        it.aws.disturb(seed, twice);
        let mut random = Rng::with_seed(seed);
        it.aws.inject(move |_: &Attempt<'_>| fault(&mut random));
        it.pass(Duration::from_hours(1)).await;
        it.aws.heal();
        it.aws.settle();
        it.pass(Duration::from_hours(1)).await;
        for parcel in &parcels {
            let (of_parcel, of_watch): (&[&str], &[&str]) = match parcel.split('-').next() {
                Some("P") => (&["Dispatched", "Released"], &["Watched", "Finished"]),
                Some("held") => (&["Dispatched"], &["Watched", "Refused"]),
                _ => (&["Dispatched"], &["Watched", "TimedOut"]),
            };
            // Whoever is told too late has timed out before.
            let watched = watched(&it, parcel);
            let late = watched == ["Watched", "TimedOut"];
            assert!(watched == of_watch || late, "seed {seed}: {parcel}: {watched:?}");
            assert_eq!(happened(&it, parcel), of_parcel, "seed {seed}: {parcel}");
        }
        assert_eq!(it.timers(), [] as [String; 0], "seed {seed}");
        let disturbed = it.aws.disturbed();
        assert!(disturbed.duplicated.took_effect > 0 && disturbed.deletes_forgotten.took_effect > 0, "{disturbed:?}");
    }
}
