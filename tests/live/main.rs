//! Clients whose connections are cut at random moments, between any two calls to AWS, while some of these calls
//! fail. Each must be told the outcome of all that it was promised, as it is on record, and nothing else.
//!
//! `LIVE_CUTS=10000 cargo nextest run -p tests --test live` is a longer run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use bench::live::Live;
use bench::platform::{PUBLIC_URL, RECEIPT_KEY, receipt_secret, register_client, register_tenant};
use bench::{Bench, VISIBILITY};
use fastrand::Rng;
use kernel::ids::TenantId;
use kernel::operation::Operation;
use kernel::receipt::Receipt;
use serde_json::{Value, json};
use store::operations::{OperationRecord, Operations};
use testkit::{Aws, Fault, TABLES};
use tokio::time::Instant;

const CLIENTS: usize = 8;
/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_secs(25);
/// How often a client follows again what is open.
const AGAIN: Duration = Duration::from_mins(1);

/// A client, as `docs/live.md` says that one is.
struct Client {
    name: String,
    tenant: &'static str,
    connection: Option<String>,
    /// Commands that were not answered, by their ids.
    unanswered: BTreeMap<String, Value>,
    /// Receipts that it waits for.
    open: BTreeSet<String>,
    /// What it was told first of each, and how often.
    told: BTreeMap<String, (Operation, usize)>,
    followed_at: Instant,
    /// How many it was told without having asked.
    pushed: usize,
}

struct World {
    aws: Aws,
    live: Live,
    orders: Bench,
    rng: Rng,
    connections: usize,
    /// Open connections, for whoever cuts them.
    open: Arc<Mutex<Vec<String>>>,
}

/// How many connections were cut.
type Cuts = Arc<Mutex<usize>>;

fn claims(client: &str) -> Value {
    bench::http::client(client, "waybill/submit waybill/read")
}

impl World {
    fn new(seed: u64) -> (Self, Vec<Client>) {
        let aws = Aws::new();
        aws.put_secret(&receipt_secret(), RECEIPT_KEY);
        for tenant in ["acme", "globex"] {
            register_tenant(
                &aws,
                tenant,
                &json!({ "grants": [{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }] }),
            );
        }
        let client = |number: usize| {
            let (name, tenant) = (format!("client-{number}"), ["acme", "globex"][number % 2]);
            register_client(&aws, &name, tenant);
            Client {
                name,
                tenant,
                connection: None,
                unanswered: BTreeMap::new(),
                open: BTreeSet::new(),
                told: BTreeMap::new(),
                followed_at: Instant::now(),
                pushed: 0,
            }
        };
        let clients = (0..CLIENTS).map(client).collect();
        let orders = Bench::on(aws.clone(), catalog::context("orders").expect("a context"));
        let live = Live::on(aws.clone());
        aws.keep_no_calls();
        (Self { aws, live, orders, rng: Rng::with_seed(seed), connections: 0, open: Arc::default() }, clients)
    }

    /// From now on, of a thousand calls so many fail, and before so many a connection is cut.
    fn disturb(&self, faults: u32, cuts: u32) -> Cuts {
        let count = Cuts::default();
        let (aws, open, counted) = (self.aws.clone(), Arc::clone(&self.open), Arc::clone(&count));
        let mut rng = Rng::with_seed(7);
        self.aws.inject(move |_| {
            let mut open = open.lock().expect("open");
            if !open.is_empty() && rng.u32(..1000) < cuts {
                let index = rng.usize(..open.len());
                aws.disconnect(&open.swap_remove(index));
                *counted.lock().expect("count") += 1;
            }
            if rng.u32(..1000) >= faults {
                return Fault::None;
            }
            match rng.u32(..5) {
                0 => Fault::LoseRequest,
                1 => Fault::LoseAnswer,
                2 => Fault::Throttle,
                3 => Fault::refuse(500, "InternalServerError"),
                // The SDK tries no more.
                _ => Fault::refuse(400, "AccessDeniedException"),
            }
        });
        count
    }

    /// The client has a connection, or tries to get one.
    async fn connect(&mut self, client: &mut Client) {
        if client.connection.as_ref().is_some_and(|id| self.aws.is_connected(id)) {
            return;
        }
        client.connection = None;
        let answer = self.live.ask_for_a_ticket(claims(&client.name)).await;
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default();
        let Some((_, ticket)) = body["url"].as_str().and_then(|url| url.split_once("?ticket=")) else { return };
        self.connections += 1;
        let id = format!("c{}", self.connections);
        if self.live.connect(&id, ticket).await {
            self.open.lock().expect("open").push(id.clone());
            client.connection = Some(id);
            self.follow(client).await;
        }
    }

    async fn follow(&mut self, client: &mut Client) {
        let Some(id) = client.connection.clone() else { return };
        client.followed_at = Instant::now();
        let open: Vec<String> = client.open.iter().cloned().collect();
        for receipts in open.chunks(50) {
            let frame = json!({ "action": "follow", "id": "f", "operations": receipts });
            self.live.send(&id, &frame.to_string()).await;
            self.listen(client);
        }
    }

    /// A new command, or one of those that were not answered.
    async fn submit(&mut self, client: &mut Client) {
        let Some(id) = client.connection.clone() else { return };
        let (name, event) = client.unanswered.pop_first().unwrap_or_else(|| {
            let number = self.rng.u32(..);
            (format!("{}-{number}", client.name), self.command(&client.name, number))
        });
        client.unanswered.insert(name.clone(), event.clone());
        let frame = json!({ "action": "submit", "id": name, "event": event });
        self.live.send(&id, &frame.to_string()).await;
        self.listen(client);
    }

    /// An order, or one that is placed already and is rejected; now and then with an id that was used.
    fn command(&mut self, client: &str, number: u32) -> Value {
        let order = if self.rng.u32(..10) < 3 { number % 5 } else { number };
        let line = json!({ "sku": "TEA", "quantity": 1, "unitPrice": { "amount": 1250, "currency": "EUR" } });
        json!({
            "specversion": "1.0", "id": format!("{client}-{number}"), "source": "https://shop.example/web",
            "type": "SubmitOrder", "subject": format!("{client}-{order}"),
            "data": { "customer": "C-1", "onAccount": true, "lines": [line] },
        })
    }

    /// The client reads what has come, if its connection is still there.
    fn listen(&mut self, client: &mut Client) {
        let Some(id) = &client.connection else { return };
        for frame in self.aws.take_frames(id) {
            match frame["type"].as_str() {
                Some("accepted") => {
                    client.unanswered.remove(frame["id"].as_str().expect("an id"));
                    let receipt = frame["operation"]["id"].as_str().expect("a receipt").to_owned();
                    if !client.told.contains_key(&receipt) {
                        client.open.insert(receipt);
                    }
                }
                Some("operations") => {
                    assert!(frame.get("unknown").is_none(), "all that it asks for is its own: {frame}");
                    for operation in frame["operations"].as_array().expect("operations") {
                        let operation: Operation = serde_json::from_value(operation.clone()).expect("an operation");
                        if operation.status.is_final() {
                            client.pushed += usize::from(frame["id"].is_null());
                            client.hear(operation);
                        }
                    }
                }
                // What was asked for is not done: it will be asked for again.
                Some("problem") => {
                    let status = frame["problem"]["status"].as_u64().expect("a status");
                    assert!(status == 429 || status >= 500, "nothing it says is wrong: {frame}");
                }
                _ => panic!("what is {frame}?"),
            }
        }
    }

    async fn handle(&self) {
        let handle = async |batch: SqsEvent| {
            self.orders.handler.handle(batch, self.aws.now().into(), Instant::now() + TIMEOUT).await
        };
        self.aws.poll(&self.orders.queue, 10, VISIBILITY, handle).await;
    }

    /// One round: what happens is drawn.
    async fn round(&mut self, clients: &mut [Client]) {
        let index = self.rng.usize(..clients.len());
        let client = &mut clients[index];
        self.connect(client).await;
        self.listen(client);
        if client.followed_at.elapsed() > AGAIN {
            self.follow(client).await;
        }
        if client.open.len() < 60 {
            self.submit(client).await;
        }
        if self.rng.u32(..4) == 0 {
            self.handle().await;
        }
        if self.rng.u32(..4) == 0 {
            self.live.push().await;
        }
        tokio::time::advance(Duration::from_millis(self.rng.u64(..1500))).await;
    }
}

impl Client {
    fn hear(&mut self, operation: Operation) {
        let is_open = self.open.remove(&operation.id);
        if let Some((first, times)) = self.told.get_mut(&operation.id) {
            assert_eq!(*first, operation, "what is final stays");
            *times += 1;
            return;
        }
        // The answer to its submission may have been lost.
        assert!(is_open || !self.unanswered.is_empty(), "{} was promised nothing of {operation:?}", self.name);
        self.told.insert(operation.id.clone(), (operation, 1));
    }
}

/// What is on record of a receipt, as its holder sees it.
async fn recorded(aws: &Aws, tenant: &str, receipt: &str) -> Option<Operation> {
    let operations = Operations::new(aws.dynamodb(), TABLES.operations);
    let receipt = Receipt::read(receipt).expect("a receipt");
    let tenant = TenantId::parse(tenant).expect("a tenant");
    let record = operations.look_up(&OperationRecord::key(&tenant, receipt.command_key)).await.expect("read");
    record.map(|record| record.seen_by(&receipt, PUBLIC_URL))
}

#[tokio::test(start_paused = true)]
async fn every_followed_operation_is_told_whatever_is_cut() {
    let most = std::env::var("LIVE_CUTS").map_or(1_000, |text| text.parse().expect("a number"));
    let (mut world, mut clients) = World::new(1);
    let cuts = world.disturb(30, 120);
    while *cuts.lock().expect("count") < most {
        world.round(&mut clients).await;
    }
    // The weather clears: all that is open ends.
    world.aws.heal();
    for _ in 0..10_000 {
        if clients.iter().all(|client| client.open.is_empty() && client.unanswered.is_empty()) {
            break;
        }
        for client in &mut clients {
            world.connect(client).await;
            if !client.unanswered.is_empty() {
                world.submit(client).await;
            }
            world.follow(client).await;
        }
        world.handle().await;
        world.live.push().await;
        for client in &mut clients {
            world.listen(client);
        }
        tokio::time::advance(Duration::from_secs(5)).await;
    }

    let (mut told, mut twice, mut rejected) = (0, 0, 0);
    let pushed: usize = clients.iter().map(|client| client.pushed).sum();
    for client in &clients {
        assert_eq!(
            (&client.open, &client.unanswered),
            (&BTreeSet::new(), &BTreeMap::new()),
            "{} still waits",
            client.name
        );
        for (receipt, (operation, times)) in &client.told {
            let on_record = recorded(&world.aws, client.tenant, receipt).await;
            assert_eq!(on_record.as_ref(), Some(operation), "as it is on record");
            assert_eq!(operation.principal.as_ref().map(|principal| principal.id.as_str()), Some(client.name.as_str()));
            told += 1;
            twice += usize::from(*times > 1);
            rejected += usize::from(operation.error.is_some());
        }
    }
    let cuts = *cuts.lock().expect("count");
    let connections = world.connections;
    println!(
        "{cuts} cuts, {connections} connections, {told} outcomes, {pushed} of them pushed, {twice} more than once, \
         {rejected} rejected"
    );
    assert!(cuts >= most && told > most / 4 && pushed > told / 10 && rejected > told / 20);
}
