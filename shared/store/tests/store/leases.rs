//! Leases: one at a time has one, of an endpoint and of a job alike.

use std::time::Duration;

use futures_util::future::join_all;
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use store::jobs::{Job, Jobs, Task};
use store::lease::Lease;
use store::webhooks::{EndpointId, EndpointSettings, Health, Left, Off, PayloadKind, Taken, Webhooks};
use testkit::{Aws, Fault, TABLES};

const MINUTE: Duration = Duration::from_mins(1);

/// An endpoint and a job, which nobody has.
struct World {
    aws: Aws,
    webhooks: Webhooks,
    endpoint: EndpointId,
    jobs: Jobs,
    job: String,
}

impl World {
    async fn new() -> Self {
        let aws = Aws::new();
        aws.patience(Duration::from_secs(8));
        let (webhooks, jobs) = (Webhooks::new(aws.dynamodb(), TABLES.webhooks), Jobs::new(aws.dynamodb(), TABLES.jobs));
        let (tenant, now) = (TenantId::parse("acme").expect("a tenant"), aws.now().into());
        let settings = EndpointSettings {
            url: "https://shop.example/hooks".to_owned(),
            description: None,
            types: Vec::new(),
            contexts: Vec::new(),
            payload: PayloadKind::Full,
            secrets: Vec::new(),
            since: now,
        };
        let endpoint = EndpointId::draw(tenant.clone());
        webhooks.create(&endpoint, &settings, now).await.expect("registered");
        let job = Job::new(Task::Recount { tenant, collection: "orders".to_owned() }, 1, None, "user:ada", now);
        jobs.add(&job).await.expect("added");
        Self { aws, webhooks, endpoint, jobs, job: job.id().to_owned() }
    }

    fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// The endpoint's lease, for a minute.
    async fn of_endpoint(&self) -> Option<Lease> {
        let taken = self.webhooks.take(&self.endpoint, self.now(), self.now().plus(MINUTE)).await;
        match taken.expect("an answer") {
            Taken::Yes(_, lease) => Some(lease),
            Taken::Told => None,
            other => panic!("{other:?}"),
        }
    }

    /// The job's lease, for a minute.
    async fn of_job(&self) -> Option<Lease> {
        self.jobs.take(&self.job, self.now(), self.now().plus(MINUTE)).await.expect("an answer")
    }

    async fn give_back_endpoint(&self, lease: Lease) -> bool {
        let left = Left { health: Health::default(), not_before: None, off: None, look_at: self.now() };
        self.webhooks.give_back(&self.endpoint, lease, &left).await.expect("an answer")
    }
}

#[tokio::test(start_paused = true)]
async fn of_ten_who_ask_in_the_same_millisecond_one_has_it() {
    let world = World::new().await;
    let endpoint = join_all((0..10).map(|_| world.of_endpoint())).await;
    let job = join_all((0..10).map(|_| world.of_job())).await;
    for taken in [endpoint, job] {
        assert_eq!(taken.iter().flatten().count(), 1, "{taken:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_taking_was_not_answered_is_its_takers() {
    let world = World::new().await;
    world.aws.inject(|attempt| match (attempt.operation, attempt.nth) {
        ("UpdateItem", 1) => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let endpoint = world.of_endpoint().await.expect("the endpoint's");
    assert!(world.give_back_endpoint(endpoint).await);
    assert!(world.of_endpoint().await.is_some(), "nobody has it any more");

    let world = World::new().await;
    world.aws.inject(|attempt| match (attempt.operation, attempt.nth) {
        ("UpdateItem", 1 | 3 | 5) => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let job = world.of_job().await.expect("the job's");
    assert!(world.jobs.keep(&world.job, job, world.now().plus(2 * MINUTE)).await.expect("an answer"));
    world.jobs.give_back(&world.job, job, None).await.expect("an answer");
    assert_eq!(world.aws.count("UpdateItem"), 6, "each call was made twice");
    assert!(world.of_job().await.is_some(), "nobody has it any more");
}

#[tokio::test(start_paused = true)]
async fn a_taking_that_arrives_late_does_not_forget_who_came_meanwhile() {
    let world = World::new().await;
    world.aws.inject(|attempt| match (attempt.operation, attempt.nth) {
        ("UpdateItem", 1) => Fault::Late(Duration::from_secs(20)),
        _ => Fault::None,
    });
    let endpoint = world.of_endpoint().await.expect("at the second attempt");
    assert_eq!(world.of_endpoint().await, None, "somebody has it, and is told");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(!world.give_back_endpoint(endpoint).await, "somebody came meanwhile");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_switched_off_while_its_taking_is_not_answered_is_its_takers() {
    let world = World::new().await;
    let (webhooks, endpoint, now) = (world.webhooks.clone(), world.endpoint.clone(), world.now());
    let off = Off { at: now, because: "maintenance".to_owned() };
    world.aws.inject(move |attempt| match (attempt.operation, attempt.nth) {
        ("UpdateItem", 1) => {
            let (webhooks, endpoint, off) = (webhooks.clone(), endpoint.clone(), off.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert!(webhooks.switch_off(&endpoint, &off).await.expect("an answer"));
            });
            Fault::HangAfter
        }
        _ => Fault::None,
    });
    let endpoint = world.of_endpoint().await.expect("it was taken before it was switched off");
    assert!(!world.give_back_endpoint(endpoint).await, "somebody has changed it");
    assert!(world.give_back_endpoint(endpoint).await);
}

#[tokio::test(start_paused = true)]
async fn who_has_lost_it_changes_nothing_for_who_has_it() {
    let world = World::new().await;
    let (lost_endpoint, lost_job) = (world.of_endpoint().await.expect("free"), world.of_job().await.expect("free"));
    tokio::time::advance(MINUTE).await;
    let (endpoint, job) = (world.of_endpoint().await.expect("over"), world.of_job().await.expect("over"));

    // It is somebody else's, and so is what is left.
    assert!(world.give_back_endpoint(lost_endpoint).await);
    world.webhooks.let_go(&world.endpoint, lost_endpoint, world.now()).await.expect("an answer");
    assert!(!world.jobs.keep(&world.job, lost_job, world.now().plus(2 * MINUTE)).await.expect("an answer"));
    world.jobs.give_back(&world.job, lost_job, Some(world.now())).await.expect("an answer");
    assert!(world.jobs.find(&world.job).await.expect("read").expect("the job").is_open());

    assert_eq!((world.of_endpoint().await, world.of_job().await), (None, None), "others have them");
    assert!(!world.give_back_endpoint(endpoint).await, "somebody came meanwhile");
    assert!(world.give_back_endpoint(endpoint).await);
    world.jobs.give_back(&world.job, job, Some(world.now())).await.expect("an answer");
    let ended = world.jobs.find(&world.job).await.expect("read").expect("the job");
    assert_eq!(ended.ended_at, Some(world.now()));
    assert_eq!(world.of_job().await, None, "there is nothing to do");
}
