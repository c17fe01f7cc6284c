//! Timers: commands that are handed in later. The publisher sets and cancels them, the timekeeper hands them in.
//!
//! What is set is a row of a table, until its command is in its queue. A message of the queue of timers, which holds it back
//! for a quarter of an hour at most, brings it there to the second. Rows that are due later are found by a sweep, every
//! minute, and so are those whose message was lost: so a timer may be late, and is never forgotten.

use std::time::Duration;

use futures_util::future::try_join_all;
use kernel::ids::{OWN, TenantId};
use kernel::timestamp::Timestamp;
use lambda::settings::{BadSetting, Environment};
use messaging::delayed::{Delayed, MAX_DELAY, send_delayed};
use messaging::{CommandQueue, Outgoing, Queues, SendError, SqsClient};
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::timers::{DueCommand, PARTS, Timer, TimerId};
use tokio::time::Instant;

/// Sets timers, and hands their commands in.
pub struct Timers {
    rows: store::timers::Timers,
    sqs: SqsClient,
    queues: Queues,
}

/// Why something was not done with a timer.
#[derive(Debug, thiserror::Error)]
pub enum TimerError {
    #[error("the timers' rows cannot be read or written")]
    Store(#[from] StoreError),
    #[error("not queued")]
    Queue(#[from] SendError),
}

/// How long before it is due a timer's message is sent: less than the longest delay by more than a sweep is late.
const AHEAD: Duration = Duration::from_mins(12);

/// How long after it was due a timer is looked at again that is still there.
const OVERDUE: Duration = Duration::from_mins(5);

/// Rows of a part that a sweep reads at once.
const PAGE: i32 = 100;

/// Rows that a sweep writes side by side.
const SIDE_BY_SIDE: usize = 10;

impl Timers {
    /// With `TIMERS_TABLE` and the prefix of the queues.
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        let rows = store::timers::Timers::new(dynamodb, environment.text("TIMERS_TABLE")?);
        Ok(Self { rows, sqs, queues: Queues::new(environment.text(Queues::VARIABLE)?) })
    }

    /// Sets a timer. Setting it twice is setting it once, and one that was set later stays.
    pub async fn set(
        &self,
        id: TimerId,
        due: Timestamp,
        command: DueCommand,
        now: Timestamp,
    ) -> Result<(), TimerError> {
        let soon = due.since(now) <= MAX_DELAY;
        let look_at = if soon { due.max(now).plus(OVERDUE) } else { due.minus(AHEAD) };
        let timer = Timer { id, due, command };
        // The row first: a message without one hands in nothing.
        if self.rows.set(&timer, look_at).await? && soon {
            self.send(vec![message(&timer.id, due, now)]).await?;
        }
        Ok(())
    }

    /// Watches over a command: a timer that is due when its outcome must have been reported.
    pub async fn watch_over(&self, watched: Watched, now: Timestamp) -> Result<(), TimerError> {
        self.set(watched.watch, watched.due, watched.command, now).await
    }

    /// Cancels the timer that was set under that name before this effect of a commit.
    pub async fn cancel(&self, effect: &TimerId) -> Result<(), TimerError> {
        Ok(self.rows.cancel(effect).await?)
    }

    /// The command of a timer that is due. `None` if the timer was cancelled, set anew, or is [over](Self::is_over) already.
    pub async fn due(&self, id: &TimerId) -> Result<Option<DueCommand>, TimerError> {
        Ok(self.rows.find(id).await?.map(|timer| timer.command))
    }

    /// Hands a command in.
    pub async fn hand_in(&self, command: DueCommand) -> Result<(), TimerError> {
        let DueCommand { context, body, group, deduplication_id } = command;
        let outgoing = Outgoing { queue_url: self.queues.commands(&context), body, group, deduplication_id };
        Ok(CommandQueue::new(self.sqs.clone()).send(outgoing).await?)
    }

    /// What was due is done.
    pub async fn is_over(&self, id: &TimerId) -> Result<(), TimerError> {
        Ok(self.rows.handed_in(id).await?)
    }

    /// Sends the messages of all timers that are due soon, and again those of timers that are overdue. Gives how many of
    /// either.
    pub async fn sweep(&self, now: Timestamp, finish_by: Instant) -> Result<Swept, TimerError> {
        let mut swept = Swept::default();
        for part in 0..PARTS {
            let mut next = None;
            loop {
                let (waiting, rest) = self.rows.to_look_at(part, now, PAGE, next).await?;
                let messages = waiting.iter().map(|timer| message(&timer.id, timer.due, now)).collect();
                self.send(messages).await?;
                // After the messages: what is not sent is looked at again.
                for some in waiting.chunks(SIDE_BY_SIDE) {
                    let looks =
                        some.iter().map(|timer| self.rows.look_again(&timer.id, timer.due.max(now).plus(OVERDUE)));
                    try_join_all(looks.collect::<Vec<_>>()).await?;
                }
                swept.overdue += waiting.iter().filter(|timer| now > timer.due).count() as u64;
                swept.sent += waiting.len() as u64;
                next = rest;
                // The next sweep does what there is no time for.
                if Instant::now() >= finish_by {
                    return Ok(swept);
                }
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(swept)
    }

    async fn send(&self, messages: Vec<Delayed>) -> Result<(), SendError> {
        send_delayed(&self.sqs, &self.queues.timers(), messages).await
    }
}

/// A command of a tenant's own queue, and when its outcome must have been reported: a message of the queue of timers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    watch: TimerId,
    due: Timestamp,
    /// Its context is [`OWN`].
    command: DueCommand,
}

impl Watched {
    pub fn new(tenant: &TenantId, sent: &Outgoing, accepted_at: Timestamp, due: Timestamp) -> Self {
        let Outgoing { body, group, deduplication_id, .. } = sent.clone();
        // Of a command that is sent again, the first time counts; of timers, the later one does.
        let commit_number = u64::MAX - accepted_at.millis();
        let watch = TimerId { timer_key: format!("{tenant}/{OWN}#{deduplication_id}"), commit_number, place: 0 };
        Self { watch, due, command: DueCommand { context: OWN.to_owned(), body, group, deduplication_id } }
    }
}

/// Has the timekeeper watch over these commands.
pub async fn watch(sqs: &SqsClient, queues: &Queues, watched: Vec<Watched>) -> Result<(), SendError> {
    let message = |watched: Watched| Delayed {
        body: serde_json::to_string(&watched).expect("texts and numbers are JSON"),
        fair_group: tenant_of(&watched.watch).to_owned(),
        delay: Duration::ZERO,
    };
    send_delayed(sqs, &queues.timers(), watched.into_iter().map(message).collect()).await
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Messages that were sent.
    pub sent: u64,
    /// Those of them whose timer had been due before: their message was lost, or handing in failed.
    pub overdue: u64,
}

fn message(id: &TimerId, due: Timestamp, now: Timestamp) -> Delayed {
    let body = serde_json::to_string(id).expect("texts and numbers are JSON");
    Delayed { body, fair_group: tenant_of(id).to_owned(), delay: due.since(now) }
}

fn tenant_of(id: &TimerId) -> &str {
    id.timer_key.split('/').next().unwrap_or_default()
}
