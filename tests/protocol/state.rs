//! The words: everything durable in Waybill, and everyone who is at work on it, as plain values.

/// Three commands: two of one stream, in the order in which they are accepted, and one of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    A1,
    A2,
    B1,
}

/// One aggregate's events; in the command queue its name is the message group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    A,
    B,
}

impl Command {
    pub const ALL: [Self; 3] = [Self::A1, Self::A2, Self::B1];

    pub fn stream(self) -> Stream {
        if self == Self::B1 { Stream::B } else { Stream::A }
    }
}

impl Stream {
    pub const ALL: [Self; 2] = [Self::A, Self::B];
}

/// A command in a queue: `kernel::command`, and what SQS and `recovery` know of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message {
    pub command: Command,
    /// How often an operator resubmitted it.
    pub revision: u8,
    /// Whether an operator replaced its data.
    pub repaired: bool,
    /// How often it was sent back in this revision.
    pub attempts: u8,
    /// How often its queue has delivered it.
    pub receives: u8,
}

impl Message {
    /// As ingest sends it.
    pub fn new(command: Command) -> Self {
        Self { command, revision: 0, repaired: false, attempts: 0, receives: 0 }
    }
}

/// One domain event: which command made it, in which revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Event {
    pub command: Command,
    pub revision: u8,
}

/// An item of the events table; its number is its place in [`State::events`], counted from one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Commit {
    pub first_version: usize,
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Retrying,
    Parked,
    Succeeded,
    Discarded,
}

/// An item of the operations table: `store::operations::OperationRecord`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record {
    pub outcome: Outcome,
    pub revision: u8,
    /// While it is retried: how often it was sent back to its queue.
    pub attempt: u8,
}

/// Where a message is that was parked: `store::parked::Stage`, and whether it stands in the index `by_unsent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// For a person.
    Waiting,
    /// An operator has resubmitted it; it is to be sent.
    Unsent,
    /// It was sent, and that is not noted yet.
    Sent,
    Resubmitted,
    Discarded,
}

/// An item of the parked table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parked {
    pub message: Message,
    pub stage: Stage,
}

/// A command handler at work on a batch of one stream. One that crashes is idle.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Worker {
    Idle,
    At(Step, Batch),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// About to read the stream.
    Load,
    /// About to send the transaction, decided on the stream as it was after this many commits.
    Commit { base: usize },
    /// About to send to the dead letters what failed on its last receive.
    Bury,
    /// About to tell the queue what is done and what comes back.
    Answer,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Batch {
    pub stream: Stream,
    /// How many messages at the head of the group it holds; none once its time ran out and others may have them.
    pub held: usize,
    /// What is not finished yet, in order.
    pub pending: Vec<Message>,
}

/// A redrive run at work on the first dead letter of a stream, which it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redriving {
    pub letter: Message,
    /// It is where it goes: back in its queue, or parked.
    pub dealt_with: bool,
    pub deleted: bool,
}

/// A read-model updater at work on a notice that a stream has reached a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Updater {
    pub stream: Stream,
    pub version: usize,
    /// The version it read, and the document it made from that.
    pub made: Option<(usize, Vec<Event>)>,
}

/// What may still go wrong. Each fault costs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// Somebody ends at any step, and what it knew is gone.
    pub crashes: u8,
    /// A write happened, and its answer was lost.
    pub lost_answers: u8,
    /// A call failed, and nothing happened.
    pub failures: u8,
    /// The queue gives out again what somebody is still at.
    pub time_outs: u8,
    /// A client sends the same command again.
    pub repeats: u8,
    /// The outbox begins from its start again.
    pub rewinds: u8,
}

/// Everything. The arrays are by command or by stream, in the order of their `ALL`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// How many commands were accepted.
    pub accepted: usize,
    /// The command queue, FIFO per stream.
    pub queue: [Vec<Message>; 2],
    pub dead_letters: [Vec<Message>; 2],
    pub workers: [Worker; 2],
    pub redrive: Option<Redriving>,
    pub events: [Vec<Commit>; 2],
    pub operations: [Option<Record>; 3],
    pub parked: [Option<Parked>; 3],
    /// The outbox: how many commits of each stream were published.
    pub published: [usize; 2],
    /// The subscription's queue: versions, sorted because they have no order.
    pub notices: [Vec<usize>; 2],
    pub updaters: [Option<Updater>; 2],
    /// A document's version is the number of events in it.
    pub read_models: [Vec<Event>; 2],
    pub left: Faults,
    pub seen: Seen,
}

/// What has been. No rule looks at it, only properties do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Seen {
    /// Each command's first final outcome.
    pub first_outcome: [Option<Outcome>; 3],
    /// Which commands have been in the dead letters, or parked.
    pub aside: [bool; 3],
    /// Each read model's highest version.
    pub highest: [usize; 2],
}

impl State {
    pub fn new(left: Faults) -> Self {
        Self {
            accepted: 0,
            queue: Default::default(),
            dead_letters: Default::default(),
            workers: [Worker::Idle, Worker::Idle],
            redrive: None,
            events: Default::default(),
            operations: [None; 3],
            parked: [None; 3],
            published: [0; 2],
            notices: Default::default(),
            updaters: [None, None],
            read_models: Default::default(),
            left,
            seen: Seen::default(),
        }
    }

    /// All events of a stream, in order.
    pub fn history(&self, stream: Stream) -> impl Iterator<Item = &Event> {
        self.events[stream as usize].iter().flat_map(|commit| &commit.events)
    }

    pub fn send(&mut self, message: Message) {
        self.queue[message.command.stream() as usize].push(Message { receives: 0, ..message });
    }

    pub fn bury(&mut self, message: Message) {
        self.seen.aside[message.command as usize] = true;
        self.dead_letters[message.command.stream() as usize].push(Message { receives: 0, ..message });
    }
}
