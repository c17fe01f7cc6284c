//! Orders and payments by their rules alone: what one tells the other comes in any order, late, and twice.

use std::num::NonZeroU32;

use fastrand::Rng;
use kernel::decider::{Decider, Decision, Metadata};
use kernel::domain_event::{Cause, EventData, RecordedEvent};
use kernel::effect::Effect;
use kernel::ids::{AggregateId, StreamId};
use kernel::message::{Encoded, Message};
use kernel::money::Money;
use kernel::peers::Refusal;
use kernel::principal::Principal;
use kernel::timestamp::Timestamp;
use orders::Orders;
use orders::commands::{CancelOrder, Command as OrderCommand, Line, SubmitOrder};
use orders::state::State as Order;
use payments::Payments;
use payments::commands::{Command as PaymentCommand, RecordCharge, RecordDecline, RecordRefund, RecordVoid};
use payments::events::Event as PaymentEvent;
use payments::state::{Stage, State as Payment};
use proptest::prelude::*;

/// On its way to somebody.
#[derive(Debug, Clone)]
enum Sent {
    /// Whether the sender is told of a refusal.
    ToOrder(OrderCommand, bool),
    ToPayment(PaymentCommand),
    /// What happened to the order, for whoever hears it.
    OfOrder(Encoded),
    /// What the payment asks the provider for.
    ToProvider(PaymentEvent),
    Timer(Timestamp, PaymentCommand),
}

/// What the provider does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    Charges,
    Declines,
}

struct World {
    random: Rng,
    provider: Provider,
    /// Whether all is known before the time limit.
    in_time: bool,
    order: Order,
    payment: Payment,
    bag: Vec<Sent>,
    /// How often something may still come again.
    repeats: u32,
    charges: u32,
    refunds: u32,
    voided: bool,
    confirmed: bool,
    story: Vec<String>,
}

const PRICE: i64 = 450;

fn id() -> AggregateId {
    AggregateId::parse("O-1").expect("an id")
}

fn submit() -> SubmitOrder {
    let unit_price = Money { amount: PRICE, currency: "EUR".to_owned() };
    let line = Line { sku: "TEA".to_owned(), quantity: NonZeroU32::MIN, unit_price };
    let customer = AggregateId::parse("C-7").expect("an id");
    SubmitOrder { customer, lines: vec![line], on_account: false, pay_within_seconds: None }
}

fn decide<D: Decider>(
    state: &mut D::State,
    command: &D::Command,
    at: Timestamp,
) -> Result<Decision<D::Event>, &'static str> {
    let metadata = Metadata { aggregate: id(), accepted_at: at, principal: Principal::read("client:shop") };
    let decision = D::decide(state, command, &metadata).map_err(|rejection| rejection.reason)?;
    for event in &decision.events {
        *state = D::evolve(std::mem::take(state), event);
    }
    Ok(decision)
}

impl World {
    fn new(seed: u64, provider: Provider, in_time: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        let repeats = random.u32(0..20);
        Self {
            random,
            provider,
            in_time,
            order: Order::default(),
            payment: Payment::default(),
            bag: vec![Sent::ToOrder(submit().into(), false)],
            repeats,
            charges: 0,
            refunds: 0,
            voided: false,
            confirmed: false,
            story: Vec::new(),
        }
    }

    /// Whatever is on its way arrives.
    fn run(&mut self) {
        while !self.bag.is_empty() {
            let next = self.next();
            let again = self.repeats > 0 && self.random.u8(..4) == 0;
            let sent = if again {
                self.repeats -= 1;
                self.bag[next].clone()
            } else {
                self.bag.swap_remove(next)
            };
            self.story.push(format!("{sent:?}"));
            match sent {
                Sent::ToOrder(command, tells) => self.send_to_order(&command, tells),
                Sent::ToPayment(command) => self.send_to_payment(&command, Timestamp::from_millis(0)),
                Sent::Timer(due, command) => self.send_to_payment(&command, due),
                Sent::OfOrder(event) => self.of_order(event),
                Sent::ToProvider(event) => self.send_to_provider(&event),
            }
        }
    }

    /// Any, but for a time limit where all is in time.
    fn next(&mut self) -> usize {
        let is_first = |sent: &Sent| !self.in_time || !matches!(sent, Sent::Timer(..));
        let first: Vec<_> = (0..self.bag.len()).filter(|at| is_first(&self.bag[*at])).collect();
        self.random.choice(&first).copied().unwrap_or_default()
    }

    fn send_to_order(&mut self, command: &OrderCommand, tells: bool) {
        match decide::<Orders>(&mut self.order, command, Timestamp::from_millis(0)) {
            Ok(decision) => {
                for event in decision.events {
                    self.confirmed |= matches!(event, orders::events::Event::OrderConfirmed(_));
                    assert!(!self.confirmed || self.charges > 0, "confirmed without a charge\n{}", self.told());
                    self.bag.push(Sent::OfOrder(Encoded::of(event)));
                }
            }
            Err(reason) if tells => {
                let name = command.message_type().name;
                let refusal = Refusal { command: name, aggregate: &id(), reason };
                let told = payments::CONTEXT.recipient(name).and_then(|to| (to.refused)(refusal));
                self.bag.extend(told.map(|told| Sent::ToPayment(payment_command(&told))));
            }
            Err(_) => {}
        }
    }

    fn send_to_payment(&mut self, command: &PaymentCommand, at: Timestamp) {
        let Ok(decision) = decide::<Payments>(&mut self.payment, command, at) else { return };
        self.bag.extend(decision.events.into_iter().map(Sent::ToProvider));
        for effect in decision.effects {
            match effect {
                Effect::Send { command: Encoded { ty, schema, data }, .. } => {
                    let command = OrderCommand::decode(&ty, schema, data.get()).expect("a command of an order");
                    self.bag.push(Sent::ToOrder(command, true));
                }
                Effect::SetTimer { due, command, .. } => self.bag.push(Sent::Timer(due, payment_command(&command))),
                // It may be too late for that.
                Effect::CancelTimer { .. } if self.random.bool() => {
                    self.bag.retain(|sent| !matches!(sent, Sent::Timer(..)));
                }
                Effect::CancelTimer { .. } => {}
            }
        }
    }

    fn of_order(&mut self, event: Encoded) {
        let Encoded { ty, schema, data } = event;
        let stream = StreamId::parse("acme/orders/O-1").expect("a stream");
        let event = EventData { ty, schema, data, cause: Cause::default() };
        let recorded = RecordedEvent { stream, version: 1, time: Timestamp::from_millis(0), event };
        for heard in payments::CONTEXT.hears {
            let followed = heard.hear(&recorded).expect("it reads what an order publishes");
            self.bag.extend(followed.map(|(_, command)| Sent::ToPayment(payment_command(&command))));
        }
    }

    /// As the gateway asks a provider that does what has one key once.
    fn send_to_provider(&mut self, event: &PaymentEvent) {
        let charge = || RecordCharge { charge: "ch-1".to_owned() };
        let outcome: PaymentCommand = match event {
            PaymentEvent::ChargeRequested(_) | PaymentEvent::VoidRequested(_) if self.charges > 0 => charge().into(),
            PaymentEvent::ChargeRequested(_) if self.voided => RecordDecline { reason: "voided".to_owned() }.into(),
            PaymentEvent::ChargeRequested(_) if self.provider == Provider::Declines => {
                RecordDecline { reason: "card-declined".to_owned() }.into()
            }
            PaymentEvent::ChargeRequested(_) => {
                self.charges += 1;
                charge().into()
            }
            PaymentEvent::VoidRequested(_) => {
                self.voided = true;
                RecordVoid {}.into()
            }
            PaymentEvent::RefundRequested(_) => {
                self.refunds = 1;
                RecordRefund { refund: "re-1".to_owned() }.into()
            }
            _ => return,
        };
        self.bag.push(Sent::ToPayment(outcome));
    }

    fn told(&self) -> String {
        format!("{:?} {:?}\n{}", self.order, self.payment, self.story.join("\n"))
    }

    /// Confirmed and paid, or cancelled and nothing paid.
    fn assert_balanced(&self) {
        let kept = self.charges - self.refunds;
        let stage = self.payment.stage;
        let balanced = match self.order {
            Order::Confirmed => kept == 1 && stage == Stage::Charged,
            Order::Cancelled => {
                let over = [Stage::NotNeeded, Stage::Declined, Stage::Voided, Stage::Refunded].contains(&stage);
                kept == 0 && over && (stage == Stage::Refunded) == (self.refunds == 1)
            }
            _ => false,
        };
        assert!(balanced, "{} charged, {} refunded\n{}", self.charges, self.refunds, self.told());
    }
}

fn payment_command(Encoded { ty, schema, data }: &Encoded) -> PaymentCommand {
    PaymentCommand::decode(ty, *schema, data.get()).expect("a command of a payment")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn an_order_is_confirmed_and_paid_or_cancelled_and_not_paid(
        seed: u64,
        charges: bool,
        cancels: bool,
        in_time: bool,
    ) {
        let provider = if charges { Provider::Charges } else { Provider::Declines };
        let mut world = World::new(seed, provider, in_time);
        if cancels {
            // Whoever cancels has seen the order.
            let submitted = world.bag.remove(0);
            let Sent::ToOrder(submit, _) = &submitted else { panic!("{submitted:?}") };
            world.send_to_order(submit, false);
            world.bag.push(submitted);
            world.bag.push(Sent::ToOrder(CancelOrder { reason: None }.into(), false));
        }
        world.run();
        world.assert_balanced();
        // The end is the same, whatever came when: but where two ends race for it.
        if cancels || !charges {
            prop_assert_eq!(world.order, Order::Cancelled, "{}", world.told());
        } else if in_time {
            prop_assert_eq!(world.order, Order::Confirmed, "{}", world.told());
        }
    }
}
