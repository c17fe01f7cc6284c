//! An installation with the sender of mails and the updater of read models, and a calendar.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use bench::platform::{commands, environment, own_queue, topic, updates};
use bench::{Installation, VISIBILITY, sealing};
use kernel::context::Context;
use kernel::ids::{AggregateId, TenantId};
use kernel::message::Message as _;
use kernel::timestamp::Timestamp;
use notification_sender::NotificationSender;
use patients::commands::Command;
use read_model_updater::Updater;
use serde_json::Value;
use store::read_models::ReadModels;
use subscriber::Runner;
use testkit::{Aws, TABLES};
use tokio::time::{Instant, advance};

pub static CONTEXTS: &[Context] = &[patients::CONTEXT];

pub const STREAM: &str = "acme/patients/P-1";

/// Long enough for what failed to be seen again.
const A_WHILE: Duration = Duration::from_mins(4);

pub struct World {
    pub it: Installation,
    sender: Runner<NotificationSender>,
    updater: Runner<Updater>,
    mails: String,
    began: Timestamp,
}

impl World {
    pub fn new() -> Self {
        let it = Installation::of(CONTEXTS);
        let (aws, mails) = (&it.aws, Aws::queue_url("notification-sender-updates"));
        let of = |queue: &str| environment().with(own_queue(queue, "never-reached"));
        let settings = of(&mails).with([("MAIL_FROM", "care@waybill.example")]);
        let sender = NotificationSender::from_environment(&settings, aws.dynamodb(), aws.ses(), aws.sqs());
        let updater = Updater::from_environment(&of(&updates()), aws.dynamodb());
        let sender = Runner::from_environment(sender.expect("settings"), &settings, aws.sqs());
        let updater = Runner::from_environment(updater.expect("settings"), &of(&updates()), aws.sqs());
        aws.subscribe(&topic(), &mails, None);
        aws.subscribe(&topic(), &updates(), None);
        let began = it.now();
        Self { sender: sender.expect("settings"), updater: updater.expect("settings"), mails, began, it }
    }

    /// A client's command, and all that follows from it at once.
    pub async fn hand_in(&self, command: Command) {
        let ty = command.message_type().name;
        let id = format!("{ty}-{}", self.it.now());
        let event = sealing::event("patients", &id, ty, 1).subject("P-1").data_raw(command.into_json());
        let (_, body) = sealing::seal("acme", event, self.it.now());
        // Past the API of SQS: a client sends it again until it is queued.
        self.it.aws.put(&commands("patients"), Some(STREAM), Some(&id), &body);
        self.settle().await;
    }

    /// Goes on to that day, past all timers that are due before.
    pub async fn until_day(&self, day: u64) {
        let until = self.began.plus(Duration::from_hours(24 * day));
        while let Some(due) = self.next_timer().filter(|due| *due <= until) {
            advance(due.since(self.it.now())).await;
            self.it.pass(Duration::from_mins(1)).await;
            self.settle().await;
        }
        advance(until.since(self.it.now())).await;
        self.settle().await;
    }

    fn next_timer(&self) -> Option<Timestamp> {
        let due = |row: Value| row["due"].as_u64().expect("a time");
        self.it.aws.items(TABLES.timers).into_iter().map(due).min().map(Timestamp::from_millis)
    }

    /// Until nothing more happens at this time.
    async fn settle(&self) {
        loop {
            let finish_by = Instant::now() + Duration::from_secs(25);
            let send = async |batch: SqsEvent| self.sender.handle(batch, self.it.now(), finish_by).await;
            let update = async |batch: SqsEvent| self.updater.handle(batch, self.it.now(), finish_by).await;
            let mut moved = usize::from(self.it.step().await);
            moved += self.it.aws.poll(&self.mails, 10, VISIBILITY, send).await;
            moved += self.it.aws.poll(&updates(), 10, VISIBILITY, update).await;
            let queues = [commands("patients"), self.mails.clone(), updates()];
            match moved {
                0 if queues.iter().all(|queue| self.it.aws.is_empty(queue)) => return,
                0 => advance(A_WHILE).await,
                _ => {}
            }
        }
    }

    /// Whatever was published comes to the sender once more.
    pub async fn deliver_all_again(&self) {
        for notification in self.it.aws.published(&topic()) {
            self.it.aws.put(&self.mails, None, None, &notification.body);
        }
        self.settle().await;
    }

    /// What the patient and the practice have got, in order: address and subject.
    pub fn mails(&self) -> Vec<(String, String)> {
        self.it.aws.mails().into_iter().map(|mail| (mail.to, mail.subject)).collect()
    }

    pub async fn document(&self) -> Value {
        let read_models = ReadModels::new(self.it.aws.dynamodb(), TABLES.read_models);
        let (tenant, id) = (TenantId::parse("acme").expect("a tenant"), AggregateId::parse("P-1").expect("an id"));
        let row = read_models.get(&tenant, "patients", &id).await.expect("an answer").expect("a document");
        serde_json::from_str(&row.document).expect("JSON")
    }
}
