//! One queue: which messages it holds, in which state, and which comes next.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use crate::disturbance::Again;
use crate::queues::message::Message;

/// For how long FIFO queues remember a deduplication id.
const DEDUPLICATION: Duration = Duration::from_mins(5);

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub id: String,
    pub sequence_number: Option<String>,
}

/// Where messages go that were received too often.
#[derive(Clone, Debug)]
pub(super) struct RedrivePolicy {
    pub dead_letters_url: String,
    pub max_receives: u32,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub fifo: bool,
    /// By place, which is the order of arrival.
    pub messages: BTreeMap<u64, Stored>,
    /// Places by message id.
    pub places: HashMap<String, u64>,
    /// Places that a receive may begin with: of a FIFO queue the first of each group of which nothing is in flight.
    pub heads: BTreeSet<u64>,
    /// Of a FIFO queue.
    pub groups: HashMap<String, Group>,
    /// What is hidden, and until when.
    pub hidden: BTreeSet<(SystemTime, u64)>,
    pub delayed: usize,
    pub recent: Recent,
    pub redrive: Option<RedrivePolicy>,
}

impl Queue {
    pub fn insert(&mut self, place: u64, stored: Stored) {
        let state = stored.state;
        self.places.insert(stored.message.id.clone(), place);
        self.messages.insert(place, Stored { state: State::Visible, ..stored });
        self.enter(place, state);
    }

    pub fn take(&mut self, place: u64) -> Option<Stored> {
        self.messages.get(&place)?;
        self.leave(place);
        let stored = self.messages.remove(&place)?;
        self.places.remove(&stored.message.id);
        if self.groups.get(stored.group()).is_some_and(|group| group.waiting.is_empty() && group.in_flight == 0) {
            self.groups.remove(stored.group());
        }
        Some(stored)
    }

    pub fn set(&mut self, place: u64, state: State) {
        self.leave(place);
        self.enter(place, state);
    }

    fn leave(&mut self, place: u64) {
        let stored = &self.messages[&place];
        match stored.state {
            State::Visible if self.fifo => {
                let Some(group) = self.groups.get_mut(stored.group()) else { return };
                self.heads.remove(&place);
                group.waiting.remove(&place);
                if let Some(first) = group.waiting.first().filter(|_| group.in_flight == 0) {
                    self.heads.insert(*first);
                }
            }
            State::Visible => drop(self.heads.remove(&place)),
            State::InFlight(until) => {
                self.hidden.remove(&(until, place));
                if !self.fifo {
                    return;
                }
                let Some(group) = self.groups.get_mut(stored.group()) else { return };
                group.in_flight -= 1;
                if let Some(first) = group.waiting.first().filter(|_| group.in_flight == 0) {
                    self.heads.insert(*first);
                }
            }
            State::Delayed(until) => {
                self.hidden.remove(&(until, place));
                self.delayed -= 1;
            }
        }
    }

    fn enter(&mut self, place: u64, state: State) {
        let Some(stored) = self.messages.get_mut(&place) else { return };
        stored.state = state;
        match state {
            State::Visible if self.fifo => {
                let group = self.groups.entry(stored.group().to_owned()).or_default();
                if group.in_flight == 0 {
                    if let Some(first) = group.waiting.first() {
                        self.heads.remove(first);
                    }
                    self.heads.insert(group.waiting.first().map_or(place, |first| place.min(*first)));
                }
                group.waiting.insert(place);
            }
            State::Visible => drop(self.heads.insert(place)),
            State::InFlight(until) => {
                self.hidden.insert((until, place));
                if self.fifo {
                    let group = self.groups.entry(stored.group().to_owned()).or_default();
                    group.in_flight += 1;
                    if let Some(first) = group.waiting.first() {
                        self.heads.remove(first);
                    }
                }
            }
            State::Delayed(until) => {
                self.hidden.insert((until, place));
                self.delayed += 1;
            }
        }
    }

    /// What has been hidden for its time is visible again.
    pub fn land(&mut self, now: SystemTime) {
        while let Some((until, place)) = self.hidden.first().copied()
            && until <= now
        {
            self.set(place, State::Visible);
        }
    }
}

#[derive(Debug)]
pub(super) struct Stored {
    pub message: Message,
    pub state: State,
    /// Receives that count for the redrive policy: those from this queue.
    pub receives_here: u32,
    /// Why the next receive is one too many, if it comes.
    pub again: Option<Again>,
}

impl Stored {
    fn group(&self) -> &str {
        self.message.group.as_deref().unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Visible,
    InFlight(SystemTime),
    Delayed(SystemTime),
}

#[derive(Debug, Default)]
pub(super) struct Group {
    waiting: BTreeSet<u64>,
    in_flight: usize,
}

/// What a FIFO queue answered to the deduplication ids of the last five minutes. As in a queue of high throughput, an id
/// is its group's.
#[derive(Debug, Default)]
pub(super) struct Recent {
    by_id: HashMap<(Option<String>, String), Sent>,
    in_order: VecDeque<(SystemTime, (Option<String>, String))>,
}

impl Recent {
    /// What was answered to the first message with this id.
    pub fn original(&mut self, id: &(Option<String>, String), now: SystemTime) -> Option<Sent> {
        self.forget_before(now);
        self.by_id.get(id).cloned()
    }

    fn forget_before(&mut self, now: SystemTime) {
        while let Some((_, id)) = self.in_order.pop_front_if(|(since, _)| *since + DEDUPLICATION <= now) {
            self.by_id.remove(&id);
        }
    }

    pub fn remember(&mut self, id: (Option<String>, String), sent: &Sent, now: SystemTime) {
        self.by_id.insert(id.clone(), sent.clone());
        self.in_order.push_back((now, id));
    }
}

/// The places of a receive, one after the other.
pub(super) enum Next {
    /// From heads on, and behind what was taken of each group.
    InOrder {
        heads_from: u64,
        behind: BTreeSet<u64>,
    },
    Drawn(Vec<u64>),
}

impl Next {
    pub fn in_order() -> Self {
        Self::InOrder { heads_from: 0, behind: BTreeSet::new() }
    }

    pub fn place(&mut self, queue: &Queue) -> Option<u64> {
        match self {
            Self::Drawn(places) => places.pop(),
            Self::InOrder { heads_from, behind } => {
                let head = queue.heads.range(*heads_from..).next().copied();
                let place = match (head, behind.first().copied()) {
                    (Some(head), Some(next)) => head.min(next),
                    (head, next) => head.or(next)?,
                };
                if Some(place) == head {
                    *heads_from = place + 1;
                } else {
                    behind.remove(&place);
                }
                if queue.fifo {
                    let group = queue.groups.get(queue.messages[&place].group())?;
                    behind.extend(group.waiting.range(place + 1..).next());
                }
                Some(place)
            }
        }
    }
}
