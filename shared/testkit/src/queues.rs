//! SQS queues: order, deduplication, visibility, dead letters. A queue exists as soon as its URL is named,
//! and is FIFO if that ends with `.fifo`.
//!
//! What may be sent is checked before, in `sqs`.

mod message;
mod queue;

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

pub use self::message::Message;
use self::queue::{Next, Queue, RedrivePolicy, Sent, State, Stored};
use crate::aws::Aws;
use crate::disturbance::{Again, Disturbance, Disturbed, Disturbing};

#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "SQS asks for exactly `.fifo`")]
pub(crate) fn is_fifo(queue_url: &str) -> bool {
    queue_url.ends_with(".fifo")
}

/// How many messages of a queue are in which state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub visible: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

/// Why a receipt handle was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HandleError {
    Malformed,
    /// FIFO: the message was received again, or its visibility timeout is over.
    Expired,
    NotInFlight,
}

#[derive(Debug, Default)]
pub(crate) struct Queues {
    queues: HashMap<String, Queue>,
    sent: u64,
    disturbance: Option<Disturbing>,
    /// What redrive policies have moved and nobody has asked for.
    buried: Vec<Message>,
}

impl Queues {
    fn queue(&mut self, queue_url: &str) -> &mut Queue {
        if !self.queues.contains_key(queue_url) {
            let queue = Queue { fifo: is_fifo(queue_url), ..Queue::default() };
            self.queues.insert(queue_url.to_owned(), queue);
        }
        self.queues.get_mut(queue_url).expect("it was made if it was not there")
    }

    pub fn disturb(&mut self, seed: u64, disturbance: Disturbance) {
        self.disturbance = Some(Disturbing::new(seed, disturbance));
    }

    pub fn next_receive(&self, queue_url: &str, now: SystemTime) -> Option<SystemTime> {
        let queue = self.queues.get(queue_url)?;
        let hidden = || queue.hidden.first().map(|(until, _)| *until.max(&now));
        if queue.heads.is_empty() { hidden() } else { Some(now) }
    }

    pub fn settle(&mut self) {
        if let Some(disturbing) = &mut self.disturbance {
            disturbing.is = Disturbance::default();
        }
    }

    pub fn disturbed(&self) -> Disturbed {
        self.disturbance.as_ref().map(|disturbing| disturbing.done).unwrap_or_default()
    }

    /// Stores the message, unless it is a duplicate, which is answered as its original was.
    pub fn send(&mut self, message: Message, delay: Duration) -> Sent {
        self.store(message, delay, None)
    }

    fn store(&mut self, mut message: Message, delay: Duration, again: Option<Again>) -> Sent {
        self.sent += 1;
        let (place, now) = (self.sent, message.sent);
        let queue = self.queue(&message.queue_url);
        message.id = format!("00000000-0000-4000-8000-{place:012x}");
        if queue.fifo {
            message.sequence_number = Some(sequence_number(place));
        }
        let sent = Sent { id: message.id.clone(), sequence_number: message.sequence_number.clone() };
        if let Some(id) = message.deduplication_id.as_ref().filter(|_| queue.fifo) {
            let id = (message.group.clone(), id.clone());
            if let Some(original) = queue.recent.original(&id, now) {
                return original;
            }
            queue.recent.remember(id, &sent, now);
        }
        let state = if delay.is_zero() { State::Visible } else { State::Delayed(now + delay) };
        queue.insert(place, Stored { message, state, receives_here: 0, again });
        sent
    }

    /// A topic's delivery to a queue: once, or more often, now or later, or among the dead letters of the subscription.
    pub fn deliver(&mut self, mut message: Message, dead_letters_url: Option<&str>) {
        let Some(disturbing) = &mut self.disturbance else {
            self.send(message, Duration::ZERO);
            return;
        };
        if let Some(url) = dead_letters_url
            && disturbing.undelivers()
        {
            url.clone_into(&mut message.queue_url);
            self.send(message, Duration::ZERO);
            return;
        }
        let delay = disturbing.delay();
        let copied = disturbing.shows_again().then(|| disturbing.delay());
        self.send(message.clone(), delay);
        if let Some(delay) = copied {
            self.store(message, delay, Some(Again::Duplicated));
        }
    }

    /// From now on, what would be received once more than `max_receives` times goes to the dead-letter queue instead.
    pub fn set_redrive_policy(&mut self, queue_url: &str, dead_letters_url: &str, max_receives: u32) {
        let policy = RedrivePolicy { dead_letters_url: dead_letters_url.to_owned(), max_receives };
        self.queue(queue_url).redrive = Some(policy);
    }

    /// Everything that has not been deleted, in order, in flight or not.
    pub fn messages(&self, queue_url: &str) -> Vec<Message> {
        let queue = self.queues.get(queue_url);
        queue.into_iter().flat_map(|queue| queue.messages.values()).map(|stored| stored.message.clone()).collect()
    }

    pub fn take_buried(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.buried)
    }

    pub fn is_empty(&self, queue_url: &str) -> bool {
        self.queues.get(queue_url).is_none_or(|queue| queue.messages.is_empty())
    }

    /// Removes messages, as if they had been deleted.
    pub fn remove(&mut self, queue_url: &str, which: impl Fn(&Message) -> bool) -> usize {
        let queue = self.queue(queue_url);
        let those = queue.messages.iter().filter(|(_, stored)| which(&stored.message)).map(|(place, _)| *place);
        let those: Vec<_> = those.collect();
        those.iter().filter_map(|place| queue.take(*place)).count()
    }

    /// Up to `max` messages, which become invisible for a time. A FIFO queue hands out a group in order,
    /// and nothing of a group of which something is in flight. What the redrive policy takes is not among them, and
    /// holds up nothing.
    pub fn receive(&mut self, queue_url: &str, max: usize, visibility: Duration, now: SystemTime) -> Vec<Message> {
        let Self { queues, disturbance, .. } = self;
        let Some(queue) = queues.get_mut(queue_url) else { return Vec::new() };
        queue.land(now);
        let mut next = match disturbance {
            Some(disturbing) if !queue.fifo => Next::Drawn(disturbing.order(&queue.heads)),
            _ => Next::in_order(),
        };
        let most = match disturbance {
            Some(disturbing) if !queue.heads.is_empty() => disturbing.most(max),
            _ => max,
        };
        let mut received = Vec::new();
        let mut hide = Vec::new();
        let mut dead = Vec::new();
        while received.len() < most
            && let Some(place) = next.place(queue)
        {
            let max_receives = queue.redrive.as_ref().map(|policy| policy.max_receives);
            let Some(stored) = queue.messages.get_mut(&place) else { break };
            if max_receives.is_some_and(|max| stored.receives_here >= max) {
                dead.push(place);
                continue;
            }
            stored.receives_here += 1;
            if let (Some(again), Some(disturbing)) = (stored.again.take(), &mut *disturbance) {
                disturbing.came(again);
            }
            let message = &mut stored.message;
            message.receive_count += 1;
            message.first_received.get_or_insert(now);
            message.receipt_handle = Some(format!("{}.{}", message.id, message.receive_count));
            received.push(message.clone());
            if !queue.fifo && disturbance.as_mut().is_some_and(Disturbing::shows_again) {
                stored.again = Some(Again::Duplicated);
            } else if !visibility.is_zero() {
                hide.push(place);
            }
        }
        if most < max
            && next.place(queue).is_some()
            && let Some(disturbing) = disturbance
        {
            disturbing.cut_short();
        }
        for place in hide {
            queue.set(place, State::InFlight(now + visibility));
        }
        self.bury(queue_url, &dead, now);
        received
    }

    /// Moves these messages to the dead-letter queue, in order. They keep their ids; a FIFO dead-letter queue counts
    /// them as sent now, and drops none as a duplicate.
    fn bury(&mut self, queue_url: &str, dead: &[u64], now: SystemTime) {
        for place in dead {
            let Some(queue) = self.queues.get_mut(queue_url) else { return };
            let Some(RedrivePolicy { dead_letters_url, .. }) = queue.redrive.clone() else { return };
            let Some(mut stored) = queue.take(*place) else { continue };
            self.sent += 1;
            let place = self.sent;
            let message = &mut stored.message;
            message.dead_letter_source = Some(Aws::queue_arn(queue_url));
            message.queue_url.clone_from(&dead_letters_url);
            message.receipt_handle = None;
            if is_fifo(&dead_letters_url) {
                message.sequence_number = Some(sequence_number(place));
                message.sent = now;
            }
            self.buried.push(message.clone());
            self.queue(&dead_letters_url).insert(place, Stored { state: State::Visible, receives_here: 0, ..stored });
        }
    }

    /// Deletes the message of a receipt handle. Of a handle that is not the last one, a standard queue says
    /// that it has deleted, and has not.
    pub fn delete(&mut self, queue_url: &str, handle: &str, now: SystemTime) -> Result<(), HandleError> {
        let (id, receive) = parse(handle)?;
        let Self { queues, disturbance, .. } = self;
        let Some(queue) = queues.get_mut(queue_url) else { return Ok(()) };
        queue.land(now);
        let Some(place) = queue.places.get(id).copied() else { return Ok(()) };
        let Some(stored) = queue.messages.get_mut(&place) else { return Ok(()) };
        let latest = stored.message.receive_count == receive;
        if queue.fifo && !(latest && matches!(stored.state, State::InFlight(_))) {
            return Err(HandleError::Expired);
        }
        if latest && disturbance.as_mut().is_some_and(Disturbing::loses_delete) {
            stored.again = Some(Again::Undeleted);
        } else if latest {
            queue.take(place);
        }
        Ok(())
    }

    /// From now, the message stays invisible for this time; zero gives it back.
    pub fn change_visibility(
        &mut self,
        queue_url: &str,
        handle: &str,
        visibility: Duration,
        now: SystemTime,
    ) -> Result<(), HandleError> {
        let (id, receive) = parse(handle)?;
        let queue = self.queues.get_mut(queue_url).ok_or(HandleError::NotInFlight)?;
        queue.land(now);
        let place = queue.places.get(id).copied().ok_or(HandleError::NotInFlight)?;
        let stored = &queue.messages[&place];
        if stored.message.receive_count != receive || !matches!(stored.state, State::InFlight(_)) {
            return Err(HandleError::NotInFlight);
        }
        queue.set(place, State::InFlight(now + visibility));
        queue.land(now);
        Ok(())
    }

    pub fn counts(&mut self, queue_url: &str, now: SystemTime) -> Counts {
        let Some(queue) = self.queues.get_mut(queue_url) else {
            return Counts { visible: 0, in_flight: 0, delayed: 0 };
        };
        queue.land(now);
        let (hidden, delayed) = (queue.hidden.len(), queue.delayed);
        let visible = queue.messages.len() - hidden;
        let visible = self.disturbance.as_mut().map_or(visible, |disturbing| disturbing.counted(visible));
        Counts { visible, in_flight: hidden - delayed, delayed }
    }

    pub fn purge(&mut self, queue_url: &str) {
        self.remove(queue_url, |_| true);
    }
}

/// Twenty digits that grow.
fn sequence_number(nth: u64) -> String {
    (18_849_000_000_000_000_000 + u128::from(nth)).to_string()
}

fn parse(handle: &str) -> Result<(&str, u32), HandleError> {
    let (id, receive) = handle.split_once('.').ok_or(HandleError::Malformed)?;
    Ok((id, receive.parse().map_err(|_| HandleError::Malformed)?))
}
