//! Calls that fail, functions that die, endpoints that answer as they like: every event gets there, in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use kernel::ids::StreamId;
use store::webhooks::{EndpointId, EndpointSettings, Errand, Off, Span, What};
use testkit::Fault;

use crate::world::{HOUR, MINUTE, RETRY, Reply, World, assert_in_order, secret};

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

/// An operator does something or other with the endpoint, in the middle of it all. They too may not be answered.
async fn operate(it: &World, id: &EndpointId, random: &mut Rng) {
    let Ok(Some(endpoint)) = it.webhooks.endpoint(id).await else { return };
    let (webhooks, now) = (&it.webhooks, it.now());
    let span = Span { from: now.minus(2 * MINUTE), to: now };
    let _ = match random.u32(0..24) {
        0 => webhooks.switch_off(id, &Off { at: now, because: "maintenance".to_owned() }).await,
        1..4 => webhooks.switch_on(&endpoint, &RETRY, now).await,
        4 => webhooks.send_on_errand(&endpoint, &RETRY, now).await,
        5 => webhooks.send_on_errand(&endpoint, &Errand { what: What::Resend(span), behind: None }, now).await,
        6 => {
            let secrets = vec![secret(random.u8(8..)), secret(7)];
            webhooks.change(&endpoint, &EndpointSettings { secrets, ..endpoint.settings.clone() }).await
        }
        _ => return,
    };
}

async fn goes_well(seed: u64) {
    fastrand::seed(seed);
    let mut random = Rng::with_seed(seed);
    let it = World::new();
    it.aws.patience(Duration::from_secs(6));
    let hosts = ["one.example", "two.example", "three.example"];
    let tenants = ["acme", "acme", "globex"];
    let mut ids = Vec::new();
    for (host, tenant) in hosts.into_iter().zip(tenants) {
        ids.push(it.register(tenant, host).await);
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
    it.aws.inject(move |attempt| {
        let mut random = faults.lock().expect("no panic");
        let is_index = attempt.operation == "Query" && attempt.body.contains("by_due");
        if is_index && random.u32(0..4) == 0 { Fault::FailEntries(vec![0, 1]) } else { fault(&mut random) }
    });
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
        operate(&it, &ids[random.usize(0..ids.len())], &mut random).await;
    }
    it.aws.heal();
    for host in hosts {
        it.answering(host, |_, _| Reply::Status(200));
    }
    for id in &ids {
        let endpoint = it.endpoint(id).await;
        assert!(
            it.webhooks.switch_on(&endpoint, &endpoint.errand.clone().unwrap_or(RETRY), it.now()).await.expect("on")
        );
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
