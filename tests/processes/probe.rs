//! Two contexts that know each other by what they publish. Parcels are dispatched and released; watches see to it that every
//! dispatched parcel is released in time, and count how often they were told.

use std::time::Duration;

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata, Rejection};
use kernel::effect::Effect;
use kernel::ids::AggregateId;
use kernel::peers::{Heard, Hears, Recipient, Refusal, Sends};
use kernel::projection::Happening;
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

pub static CONTEXTS: &[Context] = &[
    Context::of::<Parcels>("parcels", &[]),
    Context::of::<Watches>("watches", &[])
        .hearing(&[Heard::of::<OfParcels>("parcels")])
        .sending(&[Recipient::of::<ToParcels>("parcels")]),
];

/// How soon a parcel must be released that says nothing else.
pub const SOON: Duration = Duration::from_mins(10);

macro_rules! payloads {
    ($($name:ident { $($field:ident: $ty:ty),* })+) => {
        $(#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct $name { $(pub $field: $ty),* })+
    };
}

payloads! {
    Dispatch { days: u32 }
    Release {}
    Dispatched { days: u32 }
    Released {}
    Watch { days: u32 }
    NoteRelease {}
    NoteRefusal { reason: String }
    TimeIsUp {}
    Misdeed { without_event: bool }
    Watched { until: Timestamp }
    Finished {}
    Refused { reason: String }
    TimedOut {}
}

pub mod parcels {
    use super::{Dispatch, Dispatched, Release, Released};
    kernel::messages! {
        pub enum Command { Dispatch(Dispatch) = 1, #[internal] Release(Release) = 1 }
    }
    kernel::messages! {
        pub enum Event { Dispatched(Dispatched) = 1, Released(Released) = 1 }
    }
}

pub mod watches {
    use super::{Finished, Misdeed, NoteRefusal, NoteRelease, Refused, TimeIsUp, TimedOut, Watch, Watched};
    kernel::messages! {
        pub enum Command {
            #[internal] Watch(Watch) = 1,
            #[internal] NoteRelease(NoteRelease) = 1,
            #[internal] NoteRefusal(NoteRefusal) = 1,
            #[internal] TimeIsUp(TimeIsUp) = 1,
            Misdeed(Misdeed) = 1,
        }
    }
    kernel::messages! {
        pub enum Event {
            Watched(Watched) = 1,
            Finished(Finished) = 1,
            Refused(Refused) = 1,
            TimedOut(TimedOut) = 1,
        }
    }
}

/// Parcels: one that has `held` in its name cannot be released, and one with `silent` is released without a word.
pub struct Parcels;

impl Decider for Parcels {
    type Command = parcels::Command;
    type Event = parcels::Event;
    type State = ();

    fn decide((): &(), command: &parcels::Command, metadata: &Metadata) -> Result<Decision<parcels::Event>, Rejection> {
        let name = metadata.aggregate.as_str();
        match command {
            parcels::Command::Dispatch(dispatch) => Ok(Decision::of(Dispatched { days: dispatch.days })),
            parcels::Command::Release(_) if name.contains("held") => {
                Err(Rejection::new("held", "Customs hold the parcel"))
            }
            parcels::Command::Release(_) if name.contains("silent") => Ok(Decision::nothing()),
            // Each time: who releases twice is seen.
            parcels::Command::Release(_) => Ok(Decision::of(Released {})),
        }
    }

    fn evolve((): (), _: &parcels::Event) {}
}

/// Watches: a process.
pub struct Watches;

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watching {
    pub until: Option<Timestamp>,
}

const TIMER: &str = "release";

impl Decider for Watches {
    type Command = watches::Command;
    type Event = watches::Event;
    type State = Watching;

    fn decide(
        state: &Watching,
        command: &watches::Command,
        metadata: &Metadata,
    ) -> Result<Decision<watches::Event>, Rejection> {
        let now = metadata.accepted_at;
        let is_open = state.until.is_some();
        // For the test that takes the check off.
        let is_careless = metadata.aggregate.as_str().contains("careless");
        Ok(match command {
            // Each time, so that two of them are seen.
            watches::Command::Watch(watch) => {
                let until = now.plus(if watch.days == 0 { SOON } else { Duration::from_hours(24) * watch.days });
                Decision::of(Watched { until })
                    .causing(Effect::send(&metadata.aggregate, parcels::Command::from(Release {})))
                    .causing(Effect::set_timer(TIMER, until, watches::Command::from(TimeIsUp {})))
            }
            watches::Command::NoteRelease(_) if is_open => {
                Decision::of(Finished {}).causing(Effect::cancel_timer(TIMER))
            }
            watches::Command::NoteRefusal(refusal) if is_open => {
                Decision::of(Refused { reason: refusal.reason.clone() }).causing(Effect::cancel_timer(TIMER))
            }
            watches::Command::TimeIsUp(_) if state.until == Some(now) || is_careless => Decision::of(TimedOut {}),
            watches::Command::NoteRelease(_) | watches::Command::NoteRefusal(_) | watches::Command::TimeIsUp(_) => {
                Decision::nothing()
            }
            watches::Command::Misdeed(misdeed) if misdeed.without_event => Decision::nothing()
                .causing(Effect::set_timer(TIMER, now.plus(SOON), watches::Command::from(TimeIsUp {}))),
            // Nobody has said that dispatching is sent to parcels.
            watches::Command::Misdeed(_) => Decision::of(TimedOut {})
                .causing(Effect::send(&metadata.aggregate, parcels::Command::from(Dispatch { days: 0 }))),
        })
    }

    fn evolve(_: Watching, event: &watches::Event) -> Watching {
        match event {
            watches::Event::Watched(watched) => Watching { until: Some(watched.until) },
            watches::Event::Finished(_) | watches::Event::Refused(_) | watches::Event::TimedOut(_) => {
                Watching { until: None }
            }
        }
    }
}

/// What watches hear of parcels.
pub struct OfParcels;

impl Hears for OfParcels {
    type Event = parcels::Event;
    type Command = watches::Command;

    fn hear(event: parcels::Event, happening: &Happening) -> Option<(AggregateId, watches::Command)> {
        let command = match event {
            parcels::Event::Dispatched(dispatched) => Watch { days: dispatched.days }.into(),
            parcels::Event::Released(_) => NoteRelease {}.into(),
        };
        Some((happening.aggregate.clone(), command))
    }
}

mod sent {
    kernel::messages! {
        pub enum Sent { #[internal] Release(super::Release) = 1 }
    }
}

/// What watches send to parcels.
pub struct ToParcels;

impl Sends for ToParcels {
    type Sent = sent::Sent;
    type Command = watches::Command;

    fn refused(refusal: Refusal<'_>) -> Option<watches::Command> {
        Some(NoteRefusal { reason: refusal.reason.to_owned() }.into())
    }
}
