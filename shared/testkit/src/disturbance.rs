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
    /// A receive brings fewer messages than there are, or none.
    pub short: u32,
    /// A queue says that it holds some other number of messages, which may be none.
    pub miscounted: u32,
}

/// How often it was done, and how often somebody noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub done: u64,
    /// Received once more than need be, among the dead letters, or before what is older.
    pub took_effect: u64,
}

/// What queues and topics did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disturbed {
    pub duplicated: Count,
    pub deletes_forgotten: Count,
    pub undelivered: Count,
    /// Receives that did not begin with the oldest message.
    pub reordered: Count,
    /// Of receives from queues that held something.
    pub short: Count,
    pub miscounted: Count,
}

/// Why a message is there that has been received, or delivered, already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    Duplicated,
    Undeleted,
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
        self.done.duplicated.done += u64::from(shows);
        shows
    }

    pub fn loses_delete(&mut self) -> bool {
        let loses = self.draw(self.is.deletes_forgotten);
        self.done.deletes_forgotten.done += u64::from(loses);
        loses
    }

    /// Such a message was received.
    pub fn came(&mut self, again: Again) {
        let count = match again {
            Again::Duplicated => &mut self.done.duplicated,
            Again::Undeleted => &mut self.done.deletes_forgotten,
        };
        count.took_effect += 1;
    }

    /// At most so many of them this receive brings.
    pub fn most(&mut self, max: usize) -> usize {
        if !self.draw(self.is.short) {
            return max;
        }
        self.done.short.done += 1;
        self.random.usize(..max)
    }

    /// A receive left something because of that.
    pub fn cut_short(&mut self) {
        self.done.short.took_effect += 1;
    }

    pub fn counted(&mut self, count: usize) -> usize {
        if count == 0 || !self.draw(self.is.miscounted) {
            return count;
        }
        let other = self.random.usize(..=2 * count);
        self.done.miscounted.done += 1;
        self.done.miscounted.took_effect += u64::from(other != count);
        other
    }

    pub fn undelivers(&mut self) -> bool {
        let undelivers = self.draw(self.is.undelivered);
        self.done.undelivered.done += u64::from(undelivers);
        self.done.undelivered.took_effect += u64::from(undelivers);
        undelivers
    }

    pub fn delay(&mut self) -> Duration {
        let most = u64::try_from(self.is.delivery.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.random.u64(..=most))
    }

    /// An order of the first places, to be taken from the end.
    pub fn order(&mut self, places: &BTreeSet<u64>) -> Vec<u64> {
        let mut order: Vec<u64> = places.iter().copied().take(REACH).collect();
        if !self.is.reordered {
            order.reverse();
            return order;
        }
        self.random.shuffle(&mut order);
        self.done.reordered.done += u64::from(order.len() > 1);
        self.done.reordered.took_effect += u64::from(order.last() != places.first());
        order
    }
}
