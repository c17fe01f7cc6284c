//! Random commands, random faults, crashes and repeats: every command ends once, as if nothing had been.

use bench::Bench;
use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use kernel::decider::{Decider as _, Metadata};
use kernel::ids::{AggregateId, CommandKey};
use kernel::message::Message as _;
use kernel::money::Money;
use kernel::principal::Principal;
use kernel::receipt::Receipt;
use orders::Orders;
use orders::commands::{CancelOrder, Command, Line, ShipOrder, SubmitOrder};
use orders::state::State;
use testkit::{Attempt, Fault, TABLES};

use crate::probe::{self, Transfer};

const COMMANDS: usize = 48;
const AGGREGATES: [&str; 5] = ["O-1", "O-2", "O-3", "O-4", "O-5"];

struct Sent {
    aggregate: &'static str,
    id: String,
    payload: Command,
    receipt: Receipt,
}

#[test]
fn whatever_fails_every_command_has_one_outcome_and_every_stream_its_order() {
    for_seeds(12, async |mut random| {
        let bench = patient(Bench::orders());
        let sent = send_all(&bench, &mut random).await;
        deliver_somehow(&bench, &mut random).await;
        assert_as_if_nothing_had_been(&bench, &sent);
    });
}

#[test]
fn whatever_fails_no_money_comes_or_goes() {
    for_seeds(4, async |mut random| {
        let bench = patient(probe::bench());
        let sent = send_transfers(&bench, &mut random).await;
        deliver_somehow(&bench, &mut random).await;
        assert_every_transfer_happened_once_or_not_at_all(&bench, &sent);
    });
}

fn for_seeds(seeds: u64, run: impl AsyncFn(Rng)) {
    for seed in 0..seeds {
        println!("seed {seed}");
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(run(Rng::with_seed(seed)));
    }
}

/// At a queue that never gives up: among dead letters there is no order to be kept.
fn patient(mut bench: Bench) -> Bench {
    bench.handler.giving_back.max_receives = u32::MAX;
    bench
}

/// Two handlers at the queue, faults at every call, until nothing is left.
async fn deliver_somehow(bench: &Bench, random: &mut Rng) {
    let other = patient(Bench::on(bench.aws.clone(), bench.handler.context));
    let mut dice = random.fork();
    bench.aws.inject(move |attempt| fault(&mut dice, attempt));
    let mut rounds = 0;
    while !bench.waiting().is_empty() {
        rounds += 1;
        assert!(rounds < 200, "{} messages are stuck\n{}", bench.waiting().len(), bench.aws.calls());
        let mine = bench.receive();
        // Now and then the queue hands out what another still has.
        let theirs = if random.u8(..10) == 0 { mine.clone() } else { bench.receive() };
        let (back_from_me, back_from_them) = tokio::join!(bench.handle(&mine), other.handle(&theirs));
        for (messages, given_back) in [(&mine, &back_from_me), (&theirs, &back_from_them)] {
            assert!(given_back.iter().all(|id| messages.iter().any(|message| message.id == *id)), "{given_back:?}");
            // Now and then an environment dies before it can acknowledge.
            if random.u8(..10) != 0 {
                bench.acknowledge(messages, given_back);
            }
        }
        bench.wait_for_visibility().await;
    }
    bench.aws.heal();
    let failed = bench.aws.calls().iter().filter(|call| call.status != Some(200)).count();
    assert!(failed > 20, "{failed} failed calls prove little\n{}", bench.aws.calls());
}

/// Queues new commands, repeats of old ones, and other content under an old one's id.
async fn send_all(bench: &Bench, random: &mut Rng) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    for number in 0..COMMANDS {
        let (aggregate, id, payload) = match random.choice(&sent) {
            Some(old) if random.u8(..100) < 15 => (old.aggregate, old.id.clone(), old.payload.clone()),
            Some(old) if random.u8(..100) < 10 => (old.aggregate, old.id.clone(), any_command(random)),
            _ => (AGGREGATES[random.usize(..AGGREGATES.len())], number.to_string(), any_command(random)),
        };
        let receipt = bench.send(aggregate, &id, payload.clone()).await;
        sent.push(Sent { aggregate, id, payload, receipt });
    }
    sent
}

fn any_command(random: &mut Rng) -> Command {
    match random.u8(..4) {
        0 => CancelOrder { reason: None }.into(),
        1 => ShipOrder { carrier: None, tracking_number: random.u16(..).to_string() }.into(),
        _ => {
            let unit_price = Money { amount: random.i64(0..1_000), currency: "EUR".to_owned() };
            let line = Line { sku: "TEA".to_owned(), quantity: 1.try_into().expect("not zero"), unit_price };
            let customer = AggregateId::parse("C-7").expect("an id");
            SubmitOrder { customer, lines: vec![line], on_account: random.bool(), pay_within_seconds: None }.into()
        }
    }
}

fn fault(dice: &mut Rng, attempt: &Attempt<'_>) -> Fault {
    let writes = attempt.operation == "TransactWriteItems";
    match dice.u8(..100) {
        0..8 => Fault::Throttle,
        8..16 => Fault::LoseRequest,
        16..28 => Fault::LoseAnswer,
        28..38 if writes => Fault::TransactionConflict { item: 0 },
        38..44 => Fault::refuse(500, "InternalServerError"),
        44..47 => Fault::Hang,
        47..60 => Fault::Delay(Duration::from_millis(dice.u64(..4_000))),
        _ => Fault::None,
    }
}

/// Holds the tables against what the commands come to one by one, each at its first occurrence in its stream.
fn assert_as_if_nothing_had_been(bench: &Bench, sent: &[Sent]) {
    let mut states: BTreeMap<&str, State> = BTreeMap::new();
    let mut events: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    let mut outcomes: BTreeMap<CommandKey, (String, &'static str)> = BTreeMap::new();
    for Sent { aggregate, payload, receipt, .. } in sent {
        if outcomes.contains_key(&receipt.command_key) {
            continue;
        }
        let metadata = Metadata {
            aggregate: AggregateId::parse(aggregate).expect("an id"),
            accepted_at: receipt.accepted_at,
            principal: Principal::read("client:shop"),
        };
        let state = states.entry(aggregate).or_default();
        let outcome = match Orders::decide(state, payload, &metadata) {
            Ok(decision) => {
                for event in &decision.events {
                    *state = Orders::evolve(*state, event);
                    let happened = (event.message_type().name.to_owned(), receipt.to_string());
                    events.entry(aggregate).or_default().push(happened);
                }
                "succeeded"
            }
            Err(_) => "rejected",
        };
        outcomes.insert(receipt.command_key, (receipt.digest.to_string(), outcome));
    }
    for Sent { aggregate, id, receipt, .. } in sent {
        let record = bench.record(receipt).unwrap_or_else(|| panic!("{id} of {aggregate} has no outcome"));
        let (digest, outcome) = &outcomes[&receipt.command_key];
        assert_eq!((&record["digest"], &record["outcome"]), (&digest.as_str().into(), &(*outcome).into()), "{record}");
    }
    for aggregate in AGGREGATES {
        assert_eq!(bench.events(aggregate), events.remove(aggregate).unwrap_or_default(), "{aggregate}");
    }
}

struct Transferred {
    transfer: Transfer,
    aggregate: &'static str,
    receipt: Receipt,
}

/// Queues transfers between a few accounts, each at one of several aggregates, and repeats of them.
async fn send_transfers(bench: &Bench, random: &mut Rng) -> Vec<Transferred> {
    let accounts = ["bank", "mine", "yours", "theirs"];
    let mut sent: Vec<Transferred> = Vec::new();
    for number in 0..COMMANDS {
        let from = random.usize(..accounts.len());
        let to = (from + random.usize(1..accounts.len())) % accounts.len();
        let transfer =
            Transfer { from: accounts[from].to_owned(), to: accounts[to].to_owned(), amount: random.i64(1..20) };
        let aggregate = AGGREGATES[random.usize(..AGGREGATES.len())];
        let receipt = bench.send(aggregate, &number.to_string(), probe::Command::from(transfer.clone())).await;
        sent.push(Transferred { transfer, aggregate, receipt });
        if random.u8(..100) < 15 {
            bench.send(aggregate, &number.to_string(), probe::Command::from(sent[number].transfer.clone())).await;
        }
    }
    sent
}

fn assert_every_transfer_happened_once_or_not_at_all(bench: &Bench, sent: &[Transferred]) {
    let mut balances: BTreeMap<&str, i64> = BTreeMap::new();
    let mut operations: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Transferred { transfer, aggregate, receipt } in sent {
        match bench.outcome(receipt).as_str() {
            "succeeded" => {
                *balances.entry(&transfer.from).or_default() -= transfer.amount;
                *balances.entry(&transfer.to).or_default() += transfer.amount;
                operations.entry(aggregate).or_default().push(receipt.to_string());
            }
            "rejected" => assert!(bench.problem(receipt)["type"].to_string().contains("insufficient")),
            other => panic!("{other}: {:?}", bench.record(receipt)),
        }
    }
    for aggregate in AGGREGATES {
        assert_eq!(bench.operations(aggregate), operations.remove(aggregate).unwrap_or_default(), "{aggregate}");
    }
    let counters = bench.aws.items(TABLES.guards);
    for (account, balance) in balances {
        let key = format!("acme#probe#counter#{account}");
        let counter = counters.iter().find(|counter| counter["guard_key"] == key);
        assert_eq!(counter.expect("a counter")["amount"], balance, "{account}");
        assert!(balance >= 0 || account == "bank", "{account} has {balance}");
    }
}
