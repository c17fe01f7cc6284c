//! Processes: what contexts hear of each other, what they send, and their timers. The real functions, on an AWS in process and
//! on virtual time, with two contexts of these tests' own ([`probe`]); and those of
//! the catalog.

mod chaos;
mod faults;
mod guards;
mod patients;
mod probe;
mod steps;
mod timers;
mod traces;

use bench::Installation;

use crate::probe::{CONTEXTS, Dispatch, parcels};

/// An installation of the two contexts.
fn installation() -> Installation {
    Installation::of(CONTEXTS)
}

/// Dispatches a parcel that must be released within days; 0 is soon.
async fn dispatch(installation: &Installation, parcel: &str, days: u32) {
    let command = parcels::Command::from(Dispatch { days });
    installation.send("parcels", parcel, &format!("dispatch-{parcel}"), command).await;
}

fn watched(installation: &Installation, parcel: &str) -> Vec<String> {
    installation.events(&format!("acme/watches/{parcel}"))
}

fn happened(installation: &Installation, parcel: &str) -> Vec<String> {
    installation.events(&format!("acme/parcels/{parcel}"))
}
