//! What clients send: orders and policies of tenants whose sources, ids and numbers are all the same.

use kernel::cloud_event::CloudEvent;
use kernel::ids::{CommandKey, TenantId};
use kernel::receipt::Digest;
use serde_json::{Value, json};

use crate::journal::{Content, Kind};
use crate::world::{SOURCE, TENANTS, World};

/// A quantity that does not arrive as it was sent: see `Chaos::rewrite`.
pub const DAMAGED_ON_ITS_WAY: usize = 654_321;
/// What operators make of it.
pub const REPAIRED: usize = 2;

/// Commands of one tenant for one aggregate that are to be sent together, or one after the other.
pub struct Sending {
    pub tenant: &'static str,
    pub commands: Vec<(u32, Value)>,
}

/// What is sent next.
#[derive(Default)]
pub struct Workload {
    sent: usize,
    turns: usize,
    tenants: [Counts; TENANTS.len()],
}

#[derive(Default)]
struct Counts {
    sent: usize,
    orders: usize,
    policies: usize,
    hot: usize,
}

impl Workload {
    pub fn next(&mut self, world: &World) -> Option<Sending> {
        if self.sent >= world.plan.commands {
            return None;
        }
        let at = world.below(TENANTS.len());
        let counts = &mut self.tenants[at];
        let mut wanted = if world.plan.rollout.is_some() && counts.orders > 0 && world.chance(300) {
            // Somebody comes back to an order that another release may have handled.
            vec![(Kind::Cancel, format!("o-{}", 1 + world.below(counts.orders)))]
        } else if world.chance(world.plan.hot) {
            counts.hot += 1;
            vec![at_a_hot_one(world, counts.hot)]
        } else if world.chance(300) {
            counts.policies += 1;
            let stream = format!("p-{}", counts.policies);
            let ends = world.chance(500).then_some(Kind::CancelPolicy);
            [Kind::Bind].into_iter().chain(ends).map(|kind| (kind, stream.clone())).collect()
        } else {
            counts.orders += 1;
            let stream = format!("o-{}", counts.orders);
            let then: &[Kind] = match world.below(5) {
                0 => &[Kind::Ship, Kind::Cancel],
                1 => &[Kind::Cancel, Kind::Cancel],
                2 => &[Kind::Cancel, Kind::Ship],
                3 => &[Kind::Ship],
                _ => &[],
            };
            [Kind::Submit].iter().chain(then).map(|kind| (*kind, stream.clone())).collect()
        };
        wanted.truncate(world.plan.commands - self.sent);
        self.turns += 1;
        let commands = wanted.into_iter().map(|(kind, aggregate)| self.command(world, at, kind, &aggregate)).collect();
        Some(Sending { tenant: TENANTS[at], commands })
    }

    fn command(&mut self, world: &World, at: usize, kind: Kind, aggregate: &str) -> (u32, Value) {
        let tenant = TENANTS[at];
        self.sent += 1;
        self.tenants[at].sent += 1;
        let nth = self.tenants[at].sent;
        let data = match kind {
            Kind::Submit => {
                let damaged = world.plan.ills && world.chance(10);
                let quantity = if damaged { DAMAGED_ON_ITS_WAY } else { 1 + nth % 7 };
                let price = json!({ "amount": 100 + nth, "currency": "EUR" });
                let lines = json!([{ "sku": format!("{tenant}-sku"), "quantity": quantity, "unitPrice": price }]);
                json!({ "customer": format!("{tenant}-{}", nth % 50), "lines": lines, "onAccount": true })
            }
            Kind::Ship => json!({ "trackingNumber": format!("{tenant}-{nth}") }),
            Kind::Cancel => json!({ "reason": format!("{tenant} has no use for it, says {nth}") }),
            // Now and then a number that is taken.
            Kind::Bind => json!({
                "number": format!("N-{}", if nth.is_multiple_of(20) { 1 } else { nth }),
                "holder": format!("{tenant}-{}", nth % 50),
                "premium": 100, "currency": "EUR", "from": "2026-02-01", "until": "2027-02-01",
            }),
            // Another one each time.
            Kind::Adjust => json!({ "premium": 1_000 + nth }),
            Kind::CancelPolicy => json!({}),
        };
        let id = format!("c-{nth}");
        let tenant_id = TenantId::parse(tenant).expect("a tenant");
        let key = CommandKey::of(&tenant_id, SOURCE, &id).to_string();
        let mut event = json!({
            "specversion": "1.0", "id": id, "source": SOURCE, "type": kind.name(), "subject": aggregate,
            "datacontenttype": "application/json", "data": data,
        });
        if let Some(version) = expected_version(world, kind) {
            event["expectedversion"] = json!(version);
        }
        let content = content(tenant, kind, &event);
        (world.chaos.journal().command(key, &tenant_id, kind, self.turns, content), event)
    }
}

/// The version that some clients expect. Most have read the aggregate at some time; nobody knows what others do to it.
fn expected_version(world: &World, kind: Kind) -> Option<usize> {
    if !world.chance(200) {
        return None;
    }
    Some(match kind {
        Kind::Submit => world.below(8) / 7,
        Kind::Bind => 0,
        Kind::Ship | Kind::Cancel => 1 + world.below(6) / 5,
        Kind::Adjust | Kind::CancelPolicy => 1 + world.below(12),
    })
}

/// What many writers want at one time of one order: its beginning, its end, and all that comes too late. Or of one policy:
/// a long history.
fn at_a_hot_one(world: &World, nth: usize) -> (Kind, String) {
    const ORDER: [Kind; 4] = [Kind::Submit, Kind::Ship, Kind::Cancel, Kind::Cancel];
    if nth.is_multiple_of(3) {
        return (world.pick(&ORDER), format!("hot-{}", nth / 120));
    }
    let kind = match world.below(20) {
        0 | 1 => Kind::Bind,
        2 if world.chance(300) => Kind::CancelPolicy,
        _ => Kind::Adjust,
    };
    (kind, format!("hot-{}", nth / 150))
}

pub fn content(tenant: &str, kind: Kind, event: &Value) -> Content {
    let data = &event["data"];
    let sent = CloudEvent::from_json(event.to_string().as_bytes()).expect("a CloudEvent");
    let member = |name: &str, value: &Value| format!("\"{name}\":{value}");
    let says = match kind {
        Kind::Submit => {
            let line = &data["lines"][0];
            let quantity = if line["quantity"] == DAMAGED_ON_ITS_WAY { &json!(REPAIRED) } else { &line["quantity"] };
            let amount = member("amount", &line["unitPrice"]["amount"]);
            vec![member("customer", &data["customer"]), amount, member("quantity", quantity)]
        }
        Kind::Ship => vec![member("trackingNumber", &data["trackingNumber"])],
        Kind::Cancel => vec![member("reason", &data["reason"])],
        Kind::Bind => vec![member("number", &data["number"])],
        Kind::Adjust => vec![member("premium", &data["premium"])],
        Kind::CancelPolicy => Vec::new(),
    };
    Content {
        digest: Digest::of(&sent, data).to_string(),
        stream: format!("{tenant}/{}/{}", kind.context(), event["subject"].as_str().expect("a subject")),
        says,
        expected_version: event["expectedversion"].as_u64(),
        first_sequence: None,
    }
}
