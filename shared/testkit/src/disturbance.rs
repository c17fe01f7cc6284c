//! What SQS and SNS may do to messages and seldom do, under a seed's control.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;

/// How often, per mille; nothing if not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disturbance {
    /// A standard queue shows a message again that was just received, and a topic delivers it twice.
    pub duplicated: u32,
    /// A delete is answered and forgotten.
    pub deletes_forgotten: u32,
    /// A topic gives a delivery up and leaves it to the dead letters of the subscription.
    pub undelivered: u32,
    /// At most so long a topic's delivery takes.
    pub delivery: Duration,
    /// Whether standard queues hand messages out in any order.
    pub reordered: bool,
}

/// How often it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disturbed {
    pub duplicated: u64,
    pub deletes_forgotten: u64,
    pub undelivered: u64,
    /// Receives that did not begin with the oldest message.
    pub reordered: u64,
}

#[derive(Debug)]
pub(crate) struct Disturbing {
    pub is: Disturbance,
    pub done: Disturbed,
    random: Rng,
}

/// How far from its place a message may be handed out.
const REACH: usize = 40;

impl Disturbing {
    pub fn new(seed: u64, is: Disturbance) -> Self {
        Self { is, done: Disturbed::default(), random: Rng::with_seed(seed) }
    }

    fn draw(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.random.u32(..1000) < per_mille
    }

    pub fn shows_again(&mut self) -> bool {
        let shows = self.draw(self.is.duplicated);
        self.done.duplicated += u64::from(shows);
        shows
    }

    pub fn copies(&mut self) -> usize {
        1 + usize::from(self.shows_again())
    }

    pub fn loses_delete(&mut self) -> bool {
        let loses = self.draw(self.is.deletes_forgotten);
        self.done.deletes_forgotten += u64::from(loses);
        loses
    }

    pub fn undelivers(&mut self) -> bool {
        let undelivers = self.draw(self.is.undelivered);
        self.done.undelivered += u64::from(undelivers);
        undelivers
    }

    pub fn delay(&mut self) -> Duration {
        let most = u64::try_from(self.is.delivery.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.random.u64(..=most))
    }

    /// An order of the first places, to be taken from the end.
    pub fn order(&mut self, places: &BTreeSet<u64>) -> Vec<u64> {
        let mut order: Vec<u64> = places.iter().copied().take(REACH).collect();
        if self.is.reordered {
            self.random.shuffle(&mut order);
            self.done.reordered += u64::from(order.last() != places.first());
        } else {
            order.reverse();
        }
        order
    }
}
