//! The platform: an AWS in process, the functions on it, and what starts them.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bench::platform::{
    RECEIPT_KEY, commands, dead_commands, dead_retries, dead_timers, dead_webhooks, environment, own_queue,
    receipt_secret, register_client, register_operator, register_tenant, retries, timers, topic, webhooks as wakes,
};
use bench::{layouts, text};
use command_handler::{CommandHandler, Deciding};
use fastrand::Rng;
use ingest::Ingest;
use kernel::context::Context;
use kernel::timestamp::Timestamp;
use lambda::SecretsManagerClient;
use lambda::settings::Environment;
use lambda::web::WebClient;
use listener::Listener;
use messaging::Queues;
use messaging::queues::{QueuePair, SUBSCRIBERS};
use notification_sender::NotificationSender;
use notifier::Notifier;
use operator::Desk;
use payment_gateway::PaymentGateway;
use payment_provider::Provider;
use publisher::{Clients, Publisher};
use query::Query;
use read_model_updater::Updater;
use rebuild::Rebuild;
use redrive::Redrive;
use serde_json::{Value, json};
use subscriber::{BatchSubscriber, Runner};
use testkit::{Aws, Disturbance, TABLES, template_values};
use timekeeper::Timekeeper;
use verifier::Verifier;
use webhook_dispatcher::WebhookDispatcher;
use webhook_sender::WebhookSender;

use crate::chaos::{Chaos, Point};
use crate::lanes::Lanes;
use crate::plan::{LEAST_LATENCY, MOST_LATENCY, Plan};
use crate::provider;
use crate::releases::{Deployed, Rollout};
use crate::webhooks::{self, Endpoints};

/// No name is part of another, or of anything else that is stored.
pub const TENANTS: [&str; 3] = ["amber", "basalt", "cedar"];
/// The catalog's, but for its small one, which nothing here follows from.
pub const CONTEXTS: [&str; 5] = ["accounts", "orders", "patients", "payments", "policies"];
/// How wrong a clock may be, in milliseconds: an hour.
const MOST_SKEW: i64 = 3_600_000;
/// Where commands come from; the same for all tenants, as are their ids.
pub const SOURCE: &str = "https://shop.example/checkout";

pub struct World {
    pub plan: Plan,
    pub aws: Aws,
    pub chaos: Arc<Chaos>,
    pub random: RefCell<Rng>,
    environment: Environment,
    front: (store::Client, messaging::SqsClient),
    secrets_manager: SecretsManagerClient,
    back: (store::Client, messaging::SqsClient),
    ses: messaging::SesClient,
    pub ingests: Environments<Ingest>,
    pub queries: Environments<Query>,
    pub desks: Environments<Desk>,
    pub redrives: Environments<Redrive>,
    /// The events table's stream.
    pub committed: Lanes,
    /// The operations table's.
    pub ended: Lanes,
    /// Ids of all events that were published so far.
    pub published: RefCell<HashSet<String>>,
    /// Charges customers, outside of the installation.
    pub provider: Arc<Provider>,
    /// Tenants' endpoints, outside of the installation.
    pub endpoints: Endpoints,
    /// What handles commands, if the plan has a rollout.
    pub deployed: Cell<Deployed>,
    /// Nothing happens any more before a timer is due.
    pub waits_for_timers: Cell<bool>,
}

/// A function's environment: what it keeps between invocations, and how wrong its clock is.
pub struct Warm<T> {
    pub function: Rc<T>,
    pub skew: i64,
}

impl<T> Clone for Warm<T> {
    fn clone(&self) -> Self {
        Self { function: Rc::clone(&self.function), skew: self.skew }
    }
}

/// The environments of a function that are warm.
pub struct Environments<T>(RefCell<Vec<Warm<T>>>);

impl<T> Environments<T> {
    pub fn forget(&self) {
        self.0.take();
    }

    /// One in which an invocation died is not used again.
    pub fn drop(&self, it: &Warm<T>) {
        self.0.borrow_mut().retain(|other| !Rc::ptr_eq(&other.function, &it.function));
    }
}

impl<T> Default for Environments<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

/// All queues there are, each with its dead letters; those of a subscriber twice, with what the topic could not deliver.
pub fn queue_pairs() -> Vec<QueuePair> {
    Queues::new(Aws::queue_url("")).pairs(CONTEXTS)
}

/// All queues there are.
pub fn queues() -> Vec<String> {
    let mut queues: Vec<_> =
        queue_pairs().into_iter().flat_map(|pair| [pair.queue_url, pair.dead_letters_url]).collect();
    queues.sort();
    queues.dedup();
    queues
}

/// A subscriber's queue, its dead letters, and what the topic could not deliver.
pub fn queues_of(subscriber: &str) -> [String; 3] {
    ["updates", "dead-letters", "undelivered"].map(|kind| Aws::queue_url(&format!("{subscriber}-{kind}")))
}

/// The filters of subscriptions in `template.yaml`: whose queue gets which types of events alone.
fn filters() -> Vec<(String, Vec<String>)> {
    let values = template_values("Subscribers");
    let subscribers = values.iter().filter_map(Value::as_object).flat_map(|subscribers| subscribers.values());
    let filter = |subscriber: &Value| {
        let types = subscriber["Types"].as_array()?.iter().map(text).collect();
        let [updates, ..] = queues_of(subscriber["Name"].as_str()?);
        Some((updates, types))
    };
    subscribers.filter_map(filter).collect()
}

impl World {
    pub fn begin(plan: Plan, points: Vec<(u64, Point)>) -> Rc<Self> {
        fastrand::seed(plan.seed);
        // Half an hour before midnight, so that reports are of more than one day.
        let aws = Aws::starting_at(UNIX_EPOCH + Duration::from_mins(29_833_890));
        aws.keep_no_calls();
        aws.calls_take(LEAST_LATENCY, MOST_LATENCY, plan.seed);
        let undelivered: Vec<_> = SUBSCRIBERS.iter().map(|subscriber| queues_of(subscriber.name)).collect();
        for pair in queue_pairs() {
            if undelivered.iter().all(|[.., undelivered]| *undelivered != pair.dead_letters_url) {
                aws.dead_letter_queue(&pair.queue_url, &pair.dead_letters_url, plan.max_receives);
            }
        }
        for [updates, _, undelivered] in &undelivered {
            aws.subscribe(&topic(), updates, Some(undelivered));
        }
        for (updates, types) in filters() {
            aws.filter(&topic(), &updates, &types);
        }
        if plan.ills {
            let disturbance = Disturbance {
                duplicated: 30,
                deletes_forgotten: 10,
                undelivered: 2,
                delivery: Duration::from_secs(20),
                reordered: true,
                short: 50,
                miscounted: 50,
            };
            aws.disturb(plan.seed, disturbance);
        }
        aws.patience(lambda::aws::WITH_A_CLIENT_WAITING);
        aws.put_secret(&receipt_secret(), RECEIPT_KEY);
        aws.put_secret(&provider::secret(), &provider::credentials());
        let front = (aws.dynamodb(), aws.sqs());
        let secrets_manager = aws.secrets_manager();
        aws.patience(lambda::aws::IN_THE_BACKGROUND);
        let (back, ses) = ((aws.dynamodb(), aws.sqs()), aws.ses());
        // Who chooses points asks for one life with few calls, and who takes a guard off for what follows from that.
        let with_endpoints = points.is_empty() && plan.without.is_none();
        let chaos = Chaos::begin(plan, &aws, points);
        let world = Self {
            plan,
            endpoints: Endpoints::open(&chaos, with_endpoints),
            chaos,
            aws,
            random: RefCell::new(Rng::with_seed(plan.seed ^ 0x3077_1d00)),
            environment: environment().with([
                ("MOST_ATTEMPTS", "4"),
                ("LONGEST_BACK_OFF_SECONDS", "1800"),
                ("MAX_RECEIVES", &plan.max_receives.to_string()),
                ("PAYMENT_PROVIDER", &*provider::secret()),
                ("MAIL_FROM", "care@waybill.example"),
            ]),
            front,
            secrets_manager,
            back,
            ses,
            ingests: Environments::default(),
            queries: Environments::default(),
            desks: Environments::default(),
            redrives: Environments::default(),
            committed: Lanes::new(4, "stream_id"),
            ended: Lanes::new(2, "operation_key"),
            published: RefCell::default(),
            provider: provider::open(),
            deployed: Cell::new(Deployed::Before),
            waits_for_timers: Cell::new(false),
        };
        world.register();
        if world.endpoints.are_there {
            webhooks::register(&world.aws);
        }
        let ahead = if plan.ills { MOST_SKEW } else { 0 };
        world.chaos.journal().began = world.now(ahead).millis();
        Rc::new(world)
    }

    fn register(&self) {
        let settings = json!({ "grants": [{ "principals": ["*"], "types": ["*"], "sources": [SOURCE] }] });
        for tenant in TENANTS {
            register_tenant(&self.aws, tenant, &settings);
            register_client(&self.aws, &format!("{tenant}-shop"), tenant);
            register_operator(&self.aws, &format!("client:{tenant}-desk"), Some(tenant));
        }
        register_operator(&self.aws, "client:platform", None);
    }

    // Chance

    pub fn chance(&self, per_mille: u32) -> bool {
        self.random.borrow_mut().u32(..1000) < per_mille
    }

    pub fn below(&self, most: usize) -> usize {
        self.random.borrow_mut().usize(..most.max(1))
    }

    pub fn pick<T: Copy>(&self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn between(&self, least: Duration, most: Duration) -> Duration {
        let range = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or_default();
        least + Duration::from_millis(self.random.borrow_mut().u64(..=range))
    }

    /// How wrong a clock is: mostly not at all, at most an hour.
    pub fn skew(&self) -> i64 {
        if self.plan.ills && self.chance(300) {
            self.chaos.journal().count("clock wrong");
            self.chaos.journal().took("clock wrong");
            self.random.borrow_mut().i64(-MOST_SKEW..=MOST_SKEW)
        } else {
            0
        }
    }

    /// How long whoever looks for work waits, who usually waits so long: far longer while nothing can happen before a timer is
    /// due, so that weeks pass quickly.
    pub fn pause(&self, usually: Duration) -> Duration {
        if self.waits_for_timers.get() { usually * 240 } else { usually }
    }

    // Who would look at nothing is left out: that costs much time here, and finds nothing.

    pub fn has_timers(&self) -> bool {
        !self.aws.items(TABLES.timers).is_empty()
    }

    /// The parked messages that wait for a person, or for being sent.
    pub fn parked(&self) -> Vec<Value> {
        let mut parked = self.aws.items(TABLES.parked);
        parked.retain(|parked| !parked["waiting"].is_null() || !parked["unsent"].is_null());
        parked
    }

    pub fn has_parked(&self) -> bool {
        !self.parked().is_empty()
    }

    pub fn has_dead_letters(&self) -> bool {
        queue_pairs().iter().any(|pair| !self.aws.is_empty(&pair.dead_letters_url))
    }

    /// What such a clock says.
    pub fn now(&self, skew: i64) -> Timestamp {
        let since = self.aws.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or_default() + skew;
        (UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())).into()
    }

    /// Notes what was published since this was last done. What subscriptions go by is what the event says.
    pub fn audit(&self) {
        let mut published = self.published.borrow_mut();
        for notification in self.aws.take_published(&topic()) {
            let event: Value = serde_json::from_str(&notification.body).expect("an event");
            let id = event["id"].as_str().expect("an id").to_owned();
            let mut parts = id.split('/');
            let (tenant, context) = (parts.next(), parts.next());
            let expected = [("tenant", tenant), ("context", context), ("type", event["type"].as_str())];
            if let Some((name, _)) = expected.iter().find(|(name, value)| notification.attribute(name) != *value) {
                let what = format!("{id} was published as of the {name} {:?}", notification.attribute(name));
                self.chaos.journal().violation(None, what);
            }
            published.insert(id);
        }
    }

    // Functions

    pub fn ingest(&self) -> Warm<Ingest> {
        self.warm(&self.ingests, || {
            let (dynamodb, sqs) = self.front.clone();
            Ingest::from_environment(&self.environment, dynamodb, sqs, self.secrets_manager.clone()).expect("settings")
        })
    }

    pub fn query(&self) -> Warm<Query> {
        self.warm(&self.queries, || {
            let (dynamodb, _) = self.front.clone();
            let query = Query::from_environment(&self.environment, dynamodb, self.secrets_manager.clone());
            let query = query.expect("settings");
            if self.shows_before(self.below(2)) { Query { read_model: layouts::read_model, ..query } } else { query }
        })
    }

    pub fn desk(&self) -> Warm<Desk> {
        self.warm(&self.desks, || {
            Desk::from_environment(
                &self.environment,
                self.front.0.clone(),
                self.front.1.clone(),
                self.secrets_manager.clone(),
                // Nobody asks for the flow here.
                self.aws.cloudwatch(),
            )
            .expect("settings")
        })
    }

    pub fn redrive(&self) -> Warm<Redrive> {
        self.warm(&self.redrives, || {
            Redrive::from_environment(&self.environment, self.back.0.clone(), self.back.1.clone()).expect("settings")
        })
    }

    /// The release of a context that the `nth` of its handlers runs.
    pub fn release(&self, context: &'static str, nth: usize) -> &'static Context {
        match self.plan.rollout {
            Some(rollout) => rollout.release(context, self.deployed.get(), nth),
            None => catalog::context(context).expect("a context of the catalog"),
        }
    }

    pub fn handler(&self, context: &'static str, nth: usize) -> CommandHandler {
        let (queue, dead_letters) = (commands(context), dead_commands(context));
        let environment = self.environment.with(own_queue(&queue, &dead_letters)).with([("CONTEXT", context)]);
        let handler = CommandHandler::from_environment(&environment, self.back.0.clone(), self.back.1.clone());
        let context = self.release(context, nth);
        CommandHandler { context, deciding: Deciding::Inline, ..handler.expect("settings") }
    }

    /// The `nth` of the updaters.
    pub fn updater(&self, nth: usize) -> Runner<Updater> {
        self.subscriber("read-model", |environment| {
            let updater = Updater::from_environment(environment, self.back.0.clone()).expect("settings");
            if self.shows_before(nth) {
                Updater { read_models_of: layouts::read_models_of, ..updater }
            } else {
                updater
            }
        })
    }

    /// Whether the `nth` of a function's environments shows documents as the release before.
    fn shows_before(&self, nth: usize) -> bool {
        self.plan.rollout == Some(Rollout::Layout) && !self.deployed.get().is_new(nth)
    }

    pub fn rebuild(&self) -> Rebuild {
        Rebuild::from_environment(&self.environment, self.back.0.clone(), self.back.1.clone()).expect("settings")
    }

    pub fn verifier(&self) -> Verifier {
        let (dynamodb, sqs) = self.back.clone();
        let verifier = Verifier::from_environment(&self.environment, dynamodb, sqs).expect("settings");
        // The simulation says when.
        Verifier { every: None, ..verifier }
    }

    /// Whether something is to be rebuilt or verified.
    pub fn has_jobs(&self) -> bool {
        self.open_jobs().next().is_some()
    }

    /// Whether a job of that kind is to be done.
    pub fn has_jobs_of(&self, kind: &str) -> bool {
        self.open_jobs().any(|job| job["task"]["kind"] == kind)
    }

    fn open_jobs(&self) -> impl Iterator<Item = Value> {
        let jobs = self.aws.items(TABLES.jobs).into_iter();
        jobs.filter(|job| job["job_key"] == "jobs" && job["ended_at"].is_null())
    }

    pub fn listener(&self) -> Runner<Listener> {
        self.subscriber("listener", |environment| {
            Listener::from_environment(environment, self.back.1.clone()).expect("settings")
        })
    }

    pub fn gateway(&self) -> Runner<PaymentGateway> {
        let web = WebClient::over(provider::web(&self.provider, &self.chaos));
        self.subscriber("payment-gateway", |environment| {
            let (secrets_manager, sqs) = (self.secrets_manager.clone(), self.back.1.clone());
            PaymentGateway::from_environment(environment, secrets_manager, sqs, web).expect("settings")
        })
    }

    pub fn sender(&self) -> Runner<NotificationSender> {
        self.subscriber("notification-sender", |environment| {
            let (dynamodb, sqs) = self.back.clone();
            NotificationSender::from_environment(environment, dynamodb, self.ses.clone(), sqs).expect("settings")
        })
    }

    pub fn dispatcher(&self) -> Runner<WebhookDispatcher> {
        self.subscriber("webhook-dispatcher", |environment| {
            let (dynamodb, sqs) = self.back.clone();
            let environment = environment.with([("TABLE", TABLES.webhooks)]);
            WebhookDispatcher::from_environment(&environment, dynamodb, sqs).expect("settings")
        })
    }

    pub fn webhook_sender(&self) -> WebhookSender {
        let environment = self.environment.with(own_queue(&wakes(), &dead_webhooks()));
        let (dynamodb, sqs) = self.back.clone();
        let web = WebClient::over(self.endpoints.web()).patient_for(lambda::web::PUBLIC_PATIENCE);
        WebhookSender::from_environment(&environment, dynamodb, sqs, web).expect("settings")
    }

    fn subscriber<S: BatchSubscriber>(&self, name: &str, make: impl FnOnce(&Environment) -> S) -> Runner<S> {
        let [queue, dead_letters, _] = queues_of(name);
        let environment = self.environment.with(own_queue(&queue, &dead_letters));
        Runner::from_environment(make(&environment), &environment, self.back.1.clone()).expect("settings")
    }

    pub fn timekeeper(&self) -> Timekeeper {
        let environment = self.environment.with(own_queue(&timers(), &dead_timers()));
        Timekeeper::from_environment(&environment, self.back.0.clone(), self.back.1.clone()).expect("settings")
    }

    pub fn notifier(&self) -> Notifier {
        Notifier::from_environment(&self.environment, self.back.1.clone()).expect("settings")
    }

    pub fn publisher(&self) -> Publisher {
        let environment = self.environment.with(own_queue(&retries(), &dead_retries()));
        let (dynamodb, sqs) = self.back.clone();
        let clients = Clients { sns: self.aws.sns(), sqs, dynamodb, streams: self.aws.streams() };
        Publisher::from_environment(&environment, clients).expect("settings")
    }

    /// One of a few environments of a function, or a fresh one.
    fn warm<T>(&self, environments: &Environments<T>, make: impl FnOnce() -> T) -> Warm<T> {
        const MOST: usize = 3;
        let nth = self.below(MOST);
        if let Some(warm) = environments.0.borrow().get(nth) {
            return warm.clone();
        }
        let fresh = Warm { function: Rc::new(make()), skew: self.skew() };
        environments.0.borrow_mut().push(fresh.clone());
        fresh
    }

    /// Fresh environments for all functions of which some are kept.
    pub fn deploy(&self) {
        const DEPLOYED: &str = "all environments replaced";
        let ingests = self.ingests.0.take();
        self.queries.0.take();
        self.desks.0.take();
        self.redrives.0.take();
        let mut journal = self.chaos.journal();
        journal.count(DEPLOYED);
        if !ingests.is_empty() {
            journal.took(DEPLOYED);
        }
    }
}
