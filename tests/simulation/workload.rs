//! What clients send: commands of tenants whose sources, ids and numbers are all the same.

use kernel::cloud_event::CloudEvent;
use kernel::ids::{CommandKey, TenantId};
use kernel::receipt::Digest;
use serde_json::{Value, json};

use crate::journal::Content;
use crate::rules::Kind;
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

/// What a client wants of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Submit,
    SubmitToPay,
    Ship,
    Cancel,
    Bind,
    BindPaid,
    Adjust,
    CancelPolicy,
    Open,
    Deposit,
    Transfer,
    Enroll,
    Consent,
    Cover,
    Schedule,
    Withdraw,
}

impl Wish {
    fn command(self) -> &'static str {
        match self {
            Self::Submit | Self::SubmitToPay => "SubmitOrder",
            Self::Ship => "ShipOrder",
            Self::Cancel => "CancelOrder",
            Self::Bind | Self::BindPaid => "BindPolicy",
            Self::Adjust => "AdjustPremium",
            Self::CancelPolicy => "CancelPolicy",
            Self::Open => "OpenAccount",
            Self::Deposit => "DepositMoney",
            Self::Transfer => "TransferMoney",
            Self::Enroll => "EnrollPatient",
            Self::Consent => "GiveConsent",
            Self::Cover => "RecordCoverage",
            Self::Schedule => "ScheduleAppointment",
            Self::Withdraw => "WithdrawPatient",
        }
    }

    fn context(self) -> &'static str {
        match self {
            Self::Submit | Self::SubmitToPay | Self::Ship | Self::Cancel => "orders",
            Self::Bind | Self::BindPaid | Self::Adjust | Self::CancelPolicy => "policies",
            Self::Open | Self::Deposit | Self::Transfer => "accounts",
            Self::Enroll | Self::Consent | Self::Cover | Self::Schedule | Self::Withdraw => "patients",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Submit => Kind::Submit,
            Self::SubmitToPay => Kind::SubmitToPay,
            Self::Ship => Kind::Ship,
            Self::Cancel => Kind::Cancel,
            Self::Bind => Kind::Bind,
            Self::BindPaid => Kind::BindPaid,
            Self::Adjust => Kind::Adjust,
            Self::CancelPolicy => Kind::CancelPolicy,
            _ => Kind::Other,
        }
    }
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
    accounts: usize,
    patients: usize,
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
            vec![(Wish::Cancel, format!("o-{}", 1 + world.below(counts.orders)))]
        } else if world.chance(world.plan.hot) {
            counts.hot += 1;
            vec![at_a_hot_one(world, counts.hot)]
        } else if world.plan.rollout.is_some() {
            of_an_order(world, counts)
        } else {
            match world.below(20) {
                0..5 => of_a_policy(world, counts),
                5..8 => of_an_account(world, counts),
                8 => of_a_patient(world, counts),
                _ => of_an_order(world, counts),
            }
        };
        wanted.truncate(world.plan.commands - self.sent);
        self.turns += 1;
        let commands = wanted.into_iter().map(|(wish, aggregate)| self.command(world, at, wish, &aggregate)).collect();
        Some(Sending { tenant: TENANTS[at], commands })
    }

    fn command(&mut self, world: &World, at: usize, wish: Wish, aggregate: &str) -> (u32, Value) {
        let tenant = TENANTS[at];
        self.sent += 1;
        self.tenants[at].sent += 1;
        let nth = self.tenants[at].sent;
        let data = data(world, tenant, wish, nth, self.tenants[at].accounts);
        let id = format!("c-{nth}");
        let tenant_id = TenantId::parse(tenant).expect("a tenant");
        let key = CommandKey::of(&tenant_id, SOURCE, &id).to_string();
        let mut event = json!({
            "specversion": "1.0", "id": id, "source": SOURCE, "type": wish.command(), "subject": aggregate,
            "datacontenttype": "application/json", "data": data,
        });
        if let Some(version) = expected_version(world, wish) {
            event["expectedversion"] = json!(version);
        }
        let content = content(tenant, wish.context(), &event);
        let kind = (wish.kind(), wish.command());
        (world.chaos.journal().command(key, &tenant_id, kind, self.turns, content), event)
    }
}

type Wanted = Vec<(Wish, String)>;

fn each(wishes: impl IntoIterator<Item = Wish>, aggregate: &str) -> Wanted {
    wishes.into_iter().map(|wish| (wish, aggregate.to_owned())).collect()
}

fn of_an_order(world: &World, counts: &mut Counts) -> Wanted {
    counts.orders += 1;
    // Releases differ in what is shipped, for which an order on account waits for nothing.
    let paid = world.plan.rollout.is_none() && world.chance(500);
    let submit = if paid { Wish::SubmitToPay } else { Wish::Submit };
    let then: &[Wish] = match world.below(5) {
        0 => &[Wish::Ship, Wish::Cancel],
        1 => &[Wish::Cancel, Wish::Cancel],
        2 => &[Wish::Cancel, Wish::Ship],
        3 => &[Wish::Ship],
        _ => &[],
    };
    each([submit].into_iter().chain(then.iter().copied()), &format!("o-{}", counts.orders))
}

fn of_a_policy(world: &World, counts: &mut Counts) -> Wanted {
    counts.policies += 1;
    let bind = if counts.accounts > 0 && world.chance(400) { Wish::BindPaid } else { Wish::Bind };
    let changes = (bind == Wish::BindPaid && world.chance(500)).then_some(Wish::Adjust);
    let ends = world.chance(500).then_some(Wish::CancelPolicy);
    each([bind].into_iter().chain(changes).chain(ends), &format!("p-{}", counts.policies))
}

fn of_an_account(world: &World, counts: &mut Counts) -> Wanted {
    if counts.accounts == 0 || world.chance(300) {
        counts.accounts += 1;
        return each([Wish::Open, Wish::Deposit], &format!("a-{}", counts.accounts));
    }
    let wish = if world.chance(300) { Wish::Deposit } else { Wish::Transfer };
    each([wish], &format!("a-{}", 1 + world.below(counts.accounts)))
}

/// Steps in any order, of which some are never done.
fn of_a_patient(world: &World, counts: &mut Counts) -> Wanted {
    counts.patients += 1;
    let mut steps = vec![Wish::Enroll, Wish::Consent, Wish::Cover, Wish::Schedule];
    steps.retain(|step| *step == Wish::Enroll || world.chance(600));
    world.random.borrow_mut().shuffle(&mut steps);
    steps.extend(world.chance(100).then_some(Wish::Withdraw));
    each(steps, &format!("t-{}", counts.patients))
}

/// What many writers want at one time of one order: its beginning, its end, and all that comes too late. Or of one policy:
/// a long history. Or of a few accounts: that money goes from one to the other.
fn at_a_hot_one(world: &World, nth: usize) -> (Wish, String) {
    const ORDER: [Wish; 5] = [Wish::Submit, Wish::SubmitToPay, Wish::Ship, Wish::Cancel, Wish::Cancel];
    if nth.is_multiple_of(3) {
        return (world.pick(&ORDER), format!("hot-{}", nth / 120));
    }
    if nth.is_multiple_of(4) {
        let wish = match world.below(10) {
            0 => Wish::Open,
            1..4 => Wish::Deposit,
            _ => Wish::Transfer,
        };
        return (wish, format!("hot-{}", world.below(3)));
    }
    let wish = match world.below(20) {
        0 | 1 => Wish::Bind,
        2 if world.chance(300) => Wish::CancelPolicy,
        _ => Wish::Adjust,
    };
    (wish, format!("hot-{}", nth / 150))
}

/// What the `nth` command of a tenant says, who has so many accounts besides the hot ones.
fn data(world: &World, tenant: &str, wish: Wish, nth: usize, accounts: usize) -> Value {
    let euros = |amount: usize| json!({ "amount": amount, "currency": "EUR" });
    let customer = format!("{tenant}-{}", nth % 50);
    match wish {
        Wish::Submit | Wish::SubmitToPay => {
            let damaged = world.plan.ills && world.chance(10);
            let quantity = if damaged { DAMAGED_ON_ITS_WAY } else { 1 + nth % 7 };
            let lines =
                json!([{ "sku": format!("{tenant}-sku"), "quantity": quantity, "unitPrice": euros(100 + nth) }]);
            let mut order = json!({ "customer": customer, "lines": lines, "onAccount": wish == Wish::Submit });
            if wish == Wish::SubmitToPay && world.chance(500) {
                // Some too short for what goes wrong meanwhile.
                order["payWithinSeconds"] = json!(world.pick(&[5, 60, 600, 7_200]));
            }
            order
        }
        Wish::Ship => json!({ "trackingNumber": format!("{tenant}-{nth}") }),
        Wish::Cancel => json!({ "reason": format!("{tenant} has no use for it, says {nth}") }),
        // Now and then a number that is taken.
        Wish::Bind => json!({
            "number": format!("N-{}", if nth.is_multiple_of(10) { 1 } else { nth }), "holder": customer,
            "premium": 100, "currency": "EUR", "from": "2026-02-01", "until": "2027-02-01",
        }),
        Wish::BindPaid => {
            let account = 1 + world.below(accounts);
            // Now and then the account is somebody else's.
            let holder = if world.chance(100) { customer } else { holder(tenant, account) };
            json!({
                "number": format!("A-{nth}"), "holder": holder, "account": format!("a-{account}"),
                "premium": 500 + nth, "currency": "EUR", "from": "2026-02-01", "until": "2027-02-01",
            })
        }
        // Another one each time.
        Wish::Adjust => json!({ "premium": 1_000 + nth }),
        Wish::CancelPolicy | Wish::Consent | Wish::Withdraw => json!({}),
        Wish::Open => {
            json!({ "holder": holder(tenant, accounts), "currency": "EUR", "overdraft": world.pick(&[0, 500]) })
        }
        Wish::Deposit => json!({ "amount": euros(1_000 + nth) }),
        Wish::Transfer => {
            // Also to one that nobody has.
            let to = if world.chance(500) {
                format!("hot-{}", world.below(3))
            } else {
                format!("a-{}", world.below(accounts + 2))
            };
            json!({ "to": to, "amount": euros(1 + world.below(2_000)) })
        }
        Wish::Enroll => {
            // Some addresses take no mail.
            let domain = if world.chance(200) { tenant.to_owned() } else { format!("{tenant}.example") };
            json!({
                "practice": { "id": format!("{tenant}-practice"), "email": format!("office@{tenant}.example") },
                "contact": { "name": format!("{tenant} {nth}"), "email": format!("{nth}@{domain}") },
            })
        }
        Wish::Cover => json!({ "covered": world.chance(800) }),
        Wish::Schedule => json!({ "at": "2027-03-02T09:00:00Z" }),
    }
}

fn holder(tenant: &str, account: usize) -> String {
    format!("{tenant}-{}", account % 50)
}

/// The version that some clients expect. Most have read the aggregate at some time; nobody knows what others do to it.
fn expected_version(world: &World, wish: Wish) -> Option<usize> {
    if !world.chance(200) {
        return None;
    }
    match wish {
        Wish::Submit | Wish::SubmitToPay => Some(world.below(8) / 7),
        Wish::Bind | Wish::BindPaid => Some(0),
        Wish::Ship | Wish::Cancel => Some(1 + world.below(6) / 5),
        Wish::Adjust | Wish::CancelPolicy => Some(1 + world.below(12)),
        _ => None,
    }
}

pub fn content(tenant: &str, context: &str, event: &Value) -> Content {
    let data = &event["data"];
    let sent = CloudEvent::from_json(event.to_string().as_bytes()).expect("a CloudEvent");
    let member = |name: &str, value: &Value| format!("\"{name}\":{value}");
    let says = match event["type"].as_str().expect("a type") {
        "SubmitOrder" => {
            let line = &data["lines"][0];
            let quantity = if line["quantity"] == DAMAGED_ON_ITS_WAY { &json!(REPAIRED) } else { &line["quantity"] };
            let amount = member("amount", &line["unitPrice"]["amount"]);
            vec![member("customer", &data["customer"]), amount, member("quantity", quantity)]
        }
        "ShipOrder" => vec![member("trackingNumber", &data["trackingNumber"])],
        "CancelOrder" => vec![member("reason", &data["reason"])],
        "BindPolicy" => vec![member("number", &data["number"])],
        "AdjustPremium" => vec![member("premium", &data["premium"])],
        "DepositMoney" => vec![member("amount", &data["amount"]["amount"])],
        "TransferMoney" => vec![member("to", &data["to"]), member("amount", &data["amount"]["amount"])],
        _ => Vec::new(),
    };
    Content {
        digest: Digest::of(&sent, data).to_string(),
        stream: format!("{tenant}/{context}/{}", event["subject"].as_str().expect("a subject")),
        says,
        expected_version: event["expectedversion"].as_u64(),
        ..Content::default()
    }
}
