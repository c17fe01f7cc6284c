//! A table's stream: records in lanes, each of which is handled in order, again and again until that succeeds.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::functions::Idle;
use crate::invocation::{Answered, Role};
use crate::world::World;

pub type Record = Rc<Value>;

/// A stream's lanes, by its records' keys.
pub struct Lanes {
    key: &'static str,
    lanes: RefCell<Vec<VecDeque<Record>>>,
    /// What was in the lanes before, for a rewind.
    past: RefCell<VecDeque<Record>>,
    /// By lane, from where in the past it is to be read again.
    rewind: RefCell<Vec<Option<usize>>>,
}

impl Lanes {
    /// So many lanes, by that attribute of the table's key.
    pub fn new(count: usize, key: &'static str) -> Self {
        let (lanes, rewind) = (vec![VecDeque::new(); count], vec![None; count]);
        Self { key, lanes: RefCell::new(lanes), past: RefCell::default(), rewind: RefCell::new(rewind) }
    }

    pub fn count(&self) -> usize {
        self.lanes.borrow().len()
    }

    /// How many records are still to be handled.
    pub fn ahead(&self) -> usize {
        self.lanes.borrow().iter().map(VecDeque::len).sum()
    }

    /// How many records may be read again.
    pub fn past(&self) -> usize {
        self.past.borrow().len()
    }

    /// All lanes are to be read again from that place in the past on.
    pub fn rewind_to(&self, from: usize) {
        self.rewind.borrow_mut().iter_mut().for_each(|rewind| *rewind = Some(from));
    }

    fn enter(&self, record: Record) {
        let lane = self.lane_of(&record);
        self.past.borrow_mut().push_back(Rc::clone(&record));
        self.lanes.borrow_mut()[lane].push_back(record);
    }

    /// The oldest records are forgotten.
    fn forget(&self) {
        const PAST: usize = 20_000;
        let too_many = self.past().saturating_sub(PAST);
        self.past.borrow_mut().drain(..too_many);
    }

    fn lane_of(&self, record: &Record) -> usize {
        let key = record["dynamodb"]["Keys"][self.key]["S"].as_str().unwrap_or_default();
        let hash = key.bytes().fold(7, |hash: usize, byte| hash.wrapping_mul(31) + usize::from(byte));
        hash % self.count()
    }

    /// Reads a lane again from an earlier place on, in order, if somebody has asked for that. Gives how many records more.
    fn rewind(&self, lane: usize) -> usize {
        let Some(from) = self.rewind.borrow_mut()[lane].take() else { return 0 };
        let past = self.past.borrow();
        let again: VecDeque<Record> =
            past.iter().skip(from).filter(|record| self.lane_of(record) == lane).cloned().collect();
        let ahead = self.lanes.borrow()[lane].len();
        let more = again.len().saturating_sub(ahead);
        if more > 0 {
            self.lanes.borrow_mut()[lane] = again;
        }
        more
    }

    fn next(&self, lane: usize, most: usize) -> Vec<Record> {
        self.lanes.borrow()[lane].iter().take(most).cloned().collect()
    }

    fn done(&self, lane: usize, count: usize) {
        self.lanes.borrow_mut()[lane].drain(..count);
    }
}

/// Puts what is written to the table into the lanes, if it passes the filter in `template.yaml`.
pub async fn read(world: Rc<World>, table: &'static str, which: fn(&World) -> &Lanes, passes: fn(&Value) -> bool) {
    let (lanes, mut idle) = (which(&world), Idle::new());
    loop {
        let mut event = world.aws.stream_event(table);
        let records = event["Records"].as_array_mut().map(std::mem::take).unwrap_or_default();
        if records.is_empty() {
            idle.pause(&world).await;
            continue;
        }
        for record in records.into_iter().filter(passes) {
            lanes.enter(Rc::new(record));
        }
        lanes.forget();
        idle = Idle::new();
        sleep(Duration::from_millis(100)).await;
    }
}

/// A function that handles a lane.
pub struct Consumer<'a> {
    pub lanes: &'a Lanes,
    pub lane: usize,
    pub role: Role,
    pub timeout: Duration,
    /// When a batch is given up.
    pub most_age: Duration,
}

/// Lambda's event source of one lane: in order, again and again until it succeeds or is too old, in halves when it fails.
pub async fn consume<F, A: Answered>(
    world: &World,
    Consumer { lanes, lane, role, timeout, most_age }: Consumer<'_>,
    fresh: impl Fn() -> F,
    handle: impl AsyncFn(&F, &Value, i64) -> A,
    done: impl Fn(&[Record]),
    given_up: impl Fn(&Value),
) {
    const BATCH: usize = 50;
    const FIRST_PAUSE: Duration = Duration::from_millis(500);
    let mut idle = Idle::new();
    let (mut function, mut skew) = (fresh(), world.skew());
    let mut size = BATCH;
    let mut failing_since: Option<Instant> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        world.chaos.journal().rewound += lanes.rewind(lane);
        let batch = lanes.next(lane, size);
        if batch.is_empty() {
            idle.pause(world).await;
            continue;
        }
        idle = Idle::new();
        let event = json!({ "Records": batch });
        let it = world.chaos.invocation(role);
        let answer = world.chaos.invoke(it, timeout, handle(&function, &event, skew)).await;
        if answer.as_ref().is_ok_and(|answer| !answer.failed()) {
            done(&batch);
            lanes.done(lane, batch.len());
            size = (size * 2).min(BATCH);
            failing_since = None;
            pause = FIRST_PAUSE;
            continue;
        }
        if answer.is_err() {
            (function, skew) = (fresh(), world.skew());
        }
        let since = *failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() > most_age {
            given_up(&event);
            lanes.done(lane, batch.len());
            failing_since = None;
        }
        size = (batch.len() / 2).max(1);
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_mins(1));
    }
}
