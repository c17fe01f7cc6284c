//! Calls that fail, functions that die, endpoints that answer as they like: every event gets there, in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use kernel::ids::StreamId;
use testkit::Fault;

use crate::world::{HOUR, MINUTE, Reply, World, assert_in_order};

/// What a call may meet.
fn fault(random: &mut Rng) -> Fault {
    match random.u32(0..60) {
        0 => Fault::Throttle,
        1 => Fault::refuse(500, "InternalServerError"),
        2 => Fault::LoseRequest,
        3 => Fault::LoseAnswer,
        4 => Fault::Delay(Duration::from_millis(random.u64(1..4000))),
        5 => Fault::HangAfter,
        _ => Fault::None,
    }
}

async fn goes_well(seed: u64) {
    fastrand::seed(seed);
    let mut random = Rng::with_seed(seed);
    let it = World::new();
    it.aws.patience(Duration::from_secs(6));
    let hosts = ["one.example", "two.example", "three.example"];
    let tenants = ["acme", "acme", "globex"];
    for (host, tenant) in hosts.into_iter().zip(tenants) {
        it.register(tenant, host).await;
        let answers = Mutex::new(random.fork());
        it.answering(host, move |_, _| match answers.lock().expect("no panic").u32(0..12) {
            0 => Reply::Status(500),
            1 => Reply::Busy(2),
            2 => Reply::None,
            3 => Reply::Redirect,
            _ => Reply::Status(200),
        });
    }
    let faults = Arc::new(Mutex::new(random.fork()));
    it.aws.inject(move |_| fault(&mut faults.lock().expect("no panic")));
    let mut streams: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..150 {
        let stream = format!("{}/orders/O-{}", ["acme", "globex"][random.usize(0..2)], random.u32(0..6));
        let count = random.u64(1..4);
        let mut events = it.commit(&stream, "OrderChanged", count);
        random.shuffle(&mut events);
        for event in &events {
            it.publish(event);
        }
        *streams.entry(stream).or_default() += count;
        it.pass(Duration::from_millis(random.u64(0..20_000))).await;
    }
    it.aws.heal();
    for host in hosts {
        it.answering(host, |_, _| Reply::Status(200));
    }
    it.pass(2 * HOUR + MINUTE).await;
    for (host, tenant) in hosts.into_iter().zip(tenants) {
        let theirs =
            streams.iter().filter(|(stream, _)| StreamId::parse(stream).expect("one").tenant.as_str() == tenant);
        let theirs: BTreeMap<_, _> = theirs.map(|(stream, count)| (stream.clone(), *count)).collect();
        let taken = it.taken(host);
        assert_in_order(&taken, &theirs);
        assert!(taken.iter().all(|id| id.starts_with(&format!("{tenant}/"))), "{host} got another tenant's");
    }
}

#[tokio::test(start_paused = true)]
async fn every_event_gets_there_in_order_whatever_fails() {
    for seed in 0..6 {
        goes_well(seed).await;
    }
}
