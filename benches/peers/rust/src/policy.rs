//! A policy whose premium is adjusted, as cqrs-es has aggregates.

use std::fmt;

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::GenericQuery;
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope, View};
use dynamo_es::DynamoViewRepository;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    premium: u64,
}

#[derive(Debug, Deserialize)]
pub struct AdjustPremium {
    pub premium: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PolicyEvent {
    PremiumAdjusted { premium: u64 },
}

impl DomainEvent for PolicyEvent {
    fn event_type(&self) -> String {
        "PremiumAdjusted".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

#[derive(Debug)]
pub struct PremiumIsZero;

impl fmt::Display for PremiumIsZero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a premium is more than zero")
    }
}

impl std::error::Error for PremiumIsZero {}

impl Aggregate for Policy {
    const TYPE: &'static str = "policy";
    type Command = AdjustPremium;
    type Event = PolicyEvent;
    type Error = PremiumIsZero;
    type Services = ();

    async fn handle(&mut self, command: AdjustPremium, (): &(), sink: &EventSink<Self>) -> Result<(), PremiumIsZero> {
        if command.premium == 0 {
            return Err(PremiumIsZero);
        }
        sink.write(PolicyEvent::PremiumAdjusted { premium: command.premium }, self).await;
        Ok(())
    }

    fn apply(&mut self, PolicyEvent::PremiumAdjusted { premium }: PolicyEvent) {
        self.premium = premium;
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PolicyView {
    id: String,
    premium: u64,
    changes: usize,
}

impl View<Policy> for PolicyView {
    fn update(&mut self, event: &EventEnvelope<Policy>) {
        let PolicyEvent::PremiumAdjusted { premium } = event.payload;
        (self.id, self.premium, self.changes) = (event.aggregate_id.clone(), premium, event.sequence);
    }
}

pub type Views = GenericQuery<DynamoViewRepository<PolicyView, Policy>, PolicyView, Policy>;
