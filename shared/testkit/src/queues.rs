//! SQS queues: order, deduplication, visibility, dead letters. A queue exists as soon as its URL is named,
//! and is FIFO if that ends with `.fifo`.
//!
//! What may be sent is checked before, in `sqs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::attributes::{self, Attributes};
use crate::aws::Aws;
use crate::disturbance::{Disturbance, Disturbed, Disturbing};

/// For how long FIFO queues remember a deduplication id.
const DEDUPLICATION: Duration = Duration::from_mins(5);

/// A message that a queue holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    pub id: String,
    pub queue_url: String,
    pub body: String,
    /// `MessageGroupId`.
    pub group: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication_id: Option<String>,
    pub attributes: Attributes,
    /// The system attribute `AWSTraceHeader`.
    pub trace_header: Option<String>,
    /// FIFO queues only; grows with every message.
    pub sequence_number: Option<String>,
    pub sent: SystemTime,
    pub first_received: Option<SystemTime>,
    /// How often it has been received so far, among the dead letters as well as before.
    pub receive_count: u32,
    /// Of the last receive.
    pub receipt_handle: Option<String>,
    /// The ARN of the queue whose redrive policy moved it here.
    pub dead_letter_source: Option<String>,
}

impl Message {
    pub(crate) fn new(queue_url: &str, body: String, sent: SystemTime) -> Self {
        Self {
            id: String::new(),
            queue_url: queue_url.to_owned(),
            body,
            group: None,
            deduplication_id: None,
            attributes: Attributes::new(),
            trace_header: None,
            sequence_number: None,
            sent,
            first_received: None,
            receive_count: 0,
            receipt_handle: None,
            dead_letter_source: None,
        }
    }

    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(|attribute| attribute.value.as_str())
    }

    /// What SQS counts against its limits.
    pub(crate) fn size(&self) -> usize {
        self.body.len() + attributes::size(&self.attributes)
    }

    /// What SQS itself says of the message, all values text.
    pub(crate) fn system_attributes(&self) -> BTreeMap<&'static str, String> {
        let millis = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
        let mut attributes = BTreeMap::from([
            ("ApproximateReceiveCount", self.receive_count.max(1).to_string()),
            ("ApproximateFirstReceiveTimestamp", millis(self.first_received.unwrap_or(self.sent))),
            ("SenderId", "AIDATESTKIT".to_owned()),
            ("SentTimestamp", millis(self.sent)),
        ]);
        let optional = [
            ("MessageGroupId", &self.group),
            ("MessageDeduplicationId", &self.deduplication_id),
            ("SequenceNumber", &self.sequence_number),
            ("AWSTraceHeader", &self.trace_header),
            ("DeadLetterQueueSourceArn", &self.dead_letter_source),
        ];
        attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        attributes
    }
}

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
}

#[derive(Debug, Default)]
struct Queue {
    fifo: bool,
    /// By place, which is the order of arrival.
    messages: BTreeMap<u64, Stored>,
    /// Places by message id.
    places: HashMap<String, u64>,
    /// Places that a receive may begin with: of a FIFO queue the first of each group of which nothing is in flight.
    heads: BTreeSet<u64>,
    /// Of a FIFO queue.
    groups: HashMap<String, Group>,
    /// What is hidden, and until when.
    hidden: BTreeSet<(SystemTime, u64)>,
    delayed: usize,
    recent: Recent,
    redrive: Option<RedrivePolicy>,
}

#[derive(Debug, Default)]
struct Group {
    waiting: BTreeSet<u64>,
    in_flight: usize,
}

/// Where messages go that were received too often.
#[derive(Clone, Debug)]
struct RedrivePolicy {
    dead_letters_url: String,
    max_receives: u32,
}

#[derive(Debug)]
struct Stored {
    message: Message,
    state: State,
    /// Receives that count for the redrive policy: those from this queue.
    receives_here: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Visible,
    InFlight(SystemTime),
    Delayed(SystemTime),
}

/// What a FIFO queue answered to the deduplication ids of the last five minutes. As in a queue of high throughput, an id
/// is its group's.
#[derive(Debug, Default)]
struct Recent {
    by_id: HashMap<(Option<String>, String), Sent>,
    in_order: VecDeque<(SystemTime, (Option<String>, String))>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub id: String,
    pub sequence_number: Option<String>,
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

    pub fn settle(&mut self) {
        if let Some(disturbing) = &mut self.disturbance {
            disturbing.is = Disturbance::default();
        }
    }

    pub fn disturbed(&self) -> Disturbed {
        self.disturbance.as_ref().map(|disturbing| disturbing.done).unwrap_or_default()
    }

    /// Stores the message, unless it is a duplicate, which is answered as its original was.
    pub fn send(&mut self, mut message: Message, delay: Duration) -> Sent {
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
            queue.recent.forget_before(now);
            if let Some(original) = queue.recent.by_id.get(&id) {
                return original.clone();
            }
            queue.recent.remember(id, &sent, now);
        }
        let state = if delay.is_zero() { State::Visible } else { State::Delayed(now + delay) };
        queue.insert(place, Stored { message, state, receives_here: 0 });
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
        let delays: Vec<_> = (0..disturbing.copies()).map(|_| disturbing.delay()).collect();
        for delay in delays {
            self.send(message.clone(), delay);
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
            _ => Next::InOrder { heads_from: 0, behind: BTreeSet::new() },
        };
        let mut received = Vec::new();
        let mut hide = Vec::new();
        let mut dead = Vec::new();
        while received.len() < max
            && let Some(place) = next.place(queue)
        {
            let max_receives = queue.redrive.as_ref().map(|policy| policy.max_receives);
            let Some(stored) = queue.messages.get_mut(&place) else { break };
            if max_receives.is_some_and(|max| stored.receives_here >= max) {
                dead.push(place);
                continue;
            }
            stored.receives_here += 1;
            let message = &mut stored.message;
            message.receive_count += 1;
            message.first_received.get_or_insert(now);
            message.receipt_handle = Some(format!("{}.{}", message.id, message.receive_count));
            received.push(message.clone());
            let shown_again = !queue.fifo && disturbance.as_mut().is_some_and(Disturbing::shows_again);
            if !visibility.is_zero() && !shown_again {
                hide.push(place);
            }
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
        let stored = &queue.messages[&place];
        let latest = stored.message.receive_count == receive;
        if queue.fifo && !(latest && matches!(stored.state, State::InFlight(_))) {
            return Err(HandleError::Expired);
        }
        if latest && !disturbance.as_mut().is_some_and(Disturbing::loses_delete) {
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
        Counts { visible: queue.messages.len() - hidden, in_flight: hidden - delayed, delayed }
    }

    pub fn purge(&mut self, queue_url: &str) {
        self.remove(queue_url, |_| true);
    }
}

/// The places of a receive, one after the other.
enum Next {
    /// From heads on, and behind what was taken of each group.
    InOrder {
        heads_from: u64,
        behind: BTreeSet<u64>,
    },
    Drawn(Vec<u64>),
}

impl Next {
    fn place(&mut self, queue: &Queue) -> Option<u64> {
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

impl Stored {
    fn group(&self) -> &str {
        self.message.group.as_deref().unwrap_or_default()
    }
}

impl Queue {
    fn insert(&mut self, place: u64, stored: Stored) {
        let state = stored.state;
        self.places.insert(stored.message.id.clone(), place);
        self.messages.insert(place, Stored { state: State::Visible, ..stored });
        self.enter(place, state);
    }

    fn take(&mut self, place: u64) -> Option<Stored> {
        self.messages.get(&place)?;
        self.leave(place);
        let stored = self.messages.remove(&place)?;
        self.places.remove(&stored.message.id);
        if self.groups.get(stored.group()).is_some_and(|group| group.waiting.is_empty() && group.in_flight == 0) {
            self.groups.remove(stored.group());
        }
        Some(stored)
    }

    fn set(&mut self, place: u64, state: State) {
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
    fn land(&mut self, now: SystemTime) {
        while let Some((until, place)) = self.hidden.first().copied()
            && until <= now
        {
            self.set(place, State::Visible);
        }
    }
}

impl Recent {
    fn forget_before(&mut self, now: SystemTime) {
        while let Some((_, id)) = self.in_order.pop_front_if(|(since, _)| *since + DEDUPLICATION <= now) {
            self.by_id.remove(&id);
        }
    }

    fn remember(&mut self, id: (Option<String>, String), sent: &Sent, now: SystemTime) {
        self.by_id.insert(id.clone(), sent.clone());
        self.in_order.push_back((now, id));
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
