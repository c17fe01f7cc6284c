//! Two releases of the context `orders` side by side: across a version of an event, or across a layout of its documents. The
//! new one is the catalog's; the one before it delegates to the same rules and stores them in other words.

use std::marker::PhantomData;

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata, Rejection};
use kernel::message::Message;
use orders::Orders;
use orders::commands::Command;
use orders::events::{Event, OrderShipped, Parcel};
use orders::projection::OrderView;
use orders::state::State;
use serde::{Deserialize, Serialize};

/// A deployment of the new release: for half of the run and back, or for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollout {
    /// The release before reads what the new one writes.
    ReadersFirst,
    /// It does not.
    WritersFirst,
    /// For good; it shows orders in another layout, and a rebuild follows.
    Layout,
}

/// What handles commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployed {
    Before,
    /// Half of the handlers each.
    Both,
    New,
}

impl Deployed {
    /// Whether the `nth` of a function's environments is of the new release.
    pub fn is_new(self, nth: usize) -> bool {
        match self {
            Self::Before => false,
            Self::Both => nth.is_multiple_of(2),
            Self::New => true,
        }
    }
}

impl Rollout {
    /// What is deployed, each for as many commands.
    pub fn stages(self) -> [Deployed; 5] {
        use Deployed::{Before, Both, New};
        match self {
            Self::ReadersFirst | Self::WritersFirst => [Before, Both, New, Both, Before],
            Self::Layout => [Before, Before, Both, New, New],
        }
    }

    /// The release of the context that a handler runs, the `nth` of its function's.
    pub fn release(self, context: &'static str, deployed: Deployed, nth: usize) -> &'static Context {
        match self {
            Self::ReadersFirst if context == READER.name && !deployed.is_new(nth) => &READER,
            Self::WritersFirst if context == BLIND.name && !deployed.is_new(nth) => &BLIND,
            _ => catalog::context(context).expect("a context of the catalog"),
        }
    }
}

static READER: Context = Context::of::<Before<reader::Event>>("orders", &[&OrderView]);
static BLIND: Context = Context::of::<Before<blind::Event>>("orders", &[&OrderView]);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderShippedV1 {
    tracking_number: String,
}

impl From<OrderShippedV1> for OrderShipped {
    fn from(OrderShippedV1 { tracking_number }: OrderShippedV1) -> Self {
        Self { parcel: Parcel { carrier: None, tracking_number } }
    }
}

impl From<OrderShipped> for OrderShippedV1 {
    fn from(OrderShipped { parcel }: OrderShipped) -> Self {
        Self { tracking_number: parcel.tracking_number }
    }
}

/// Reads version 2 of `OrderShipped`, and writes version 1.
mod reader {
    use orders::events::{OrderCancelled, OrderConfirmed, OrderShipped, OrderSubmitted};

    use super::OrderShippedV1;

    kernel::messages! {
        #[expect(clippy::enum_variant_names, reason = "these are the context's own names")]
        pub enum Event {
            OrderSubmitted(OrderSubmitted) = 1,
            OrderCancelled(OrderCancelled) = 1,
            OrderConfirmed(OrderConfirmed) = 1,
            OrderShipped(OrderShipped) = 2 unwritten <- 1: OrderShippedV1,
        }
    }
}

/// Knows version 1 alone.
mod blind {
    use orders::events::{OrderCancelled, OrderConfirmed, OrderSubmitted};

    use super::OrderShippedV1;

    kernel::messages! {
        #[expect(clippy::enum_variant_names, reason = "these are the context's own names")]
        pub enum Event {
            OrderSubmitted(OrderSubmitted) = 1,
            OrderCancelled(OrderCancelled) = 1,
            OrderConfirmed(OrderConfirmed) = 1,
            OrderShipped(OrderShippedV1) = 1,
        }
    }
}

/// The rules of `orders`, with these events. Its states have a layout of their own, so that each release folds what the
/// other wrote.
struct Before<E>(PhantomData<fn() -> E>);

impl<E: Message + From<Event> + Into<Event>> Decider for Before<E> {
    type Command = Command;
    type Event = E;
    type State = State;

    const STATE_VERSION: u32 = 1_000;

    fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<E>, Rejection> {
        let Decision { events, guards, effects } = Orders::decide(state, command, metadata)?;
        Ok(Decision { events: events.into_iter().map(E::from).collect(), guards, effects })
    }

    fn evolve(state: State, event: &E) -> State {
        Orders::evolve(state, &event.clone().into())
    }
}

impl From<Event> for reader::Event {
    fn from(event: Event) -> Self {
        match event {
            Event::OrderSubmitted(event) => event.into(),
            Event::OrderCancelled(event) => event.into(),
            Event::OrderConfirmed(event) => event.into(),
            Event::OrderShipped(event) => event.into(),
        }
    }
}

impl From<reader::Event> for Event {
    fn from(event: reader::Event) -> Self {
        match event {
            reader::Event::OrderSubmitted(event) => event.into(),
            reader::Event::OrderCancelled(event) => event.into(),
            reader::Event::OrderConfirmed(event) => event.into(),
            reader::Event::OrderShipped(event) => event.into(),
        }
    }
}

impl From<Event> for blind::Event {
    fn from(event: Event) -> Self {
        match event {
            Event::OrderSubmitted(event) => event.into(),
            Event::OrderCancelled(event) => event.into(),
            Event::OrderConfirmed(event) => event.into(),
            Event::OrderShipped(event) => Self::OrderShipped(event.into()),
        }
    }
}

impl From<blind::Event> for Event {
    fn from(event: blind::Event) -> Self {
        match event {
            blind::Event::OrderSubmitted(event) => event.into(),
            blind::Event::OrderCancelled(event) => event.into(),
            blind::Event::OrderConfirmed(event) => event.into(),
            blind::Event::OrderShipped(event) => Self::OrderShipped(event.into()),
        }
    }
}
