//! Reports, as clients read them, are the sum over all documents, of all time and of each day.

use std::collections::BTreeMap;

use kernel::day::Day;
use kernel::projection::Tally;
use serde_json::{Value, json};
use store::read_models::Totals;

use crate::check::Streams;
use crate::clients::get;
use crate::world::World;

/// A collection's totals, as they should be.
#[derive(Default)]
struct Expected {
    all: Totals,
    days: BTreeMap<Day, Totals>,
}

impl Expected {
    fn add(&mut self, Tally { name, amount, day }: Tally) {
        if let Some(day) = day {
            *self.days.entry(day).or_default().entry(name.clone()).or_default() += amount;
        }
        *self.all.entry(name).or_default() += amount;
    }

    fn of_all_time(&self) -> Value {
        json!({ "totals": without_zeros(&self.all) })
    }

    fn by_day(&self) -> Value {
        let mut sums = Totals::new();
        for (name, amount) in self.days.values().flatten() {
            *sums.entry(name.clone()).or_default() += amount;
        }
        let day = |(day, totals): (&Day, &Totals)| json!({ "day": day, "totals": without_zeros(totals) });
        json!({ "totals": without_zeros(&sums), "days": self.days.iter().map(day).collect::<Vec<_>>() })
    }
}

fn without_zeros(totals: &Totals) -> Totals {
    totals.iter().filter(|(_, amount)| **amount != 0).map(|(name, amount)| (name.clone(), *amount)).collect()
}

pub async fn are_the_fold(world: &World, events: &Streams) {
    let mut expected: BTreeMap<(String, &'static str), Expected> = BTreeMap::new();
    for events in events.values() {
        let stream = &events[0].stream;
        let context = catalog::context(&stream.context).expect("a context");
        // What is contributed to overviews counts for nothing.
        for read_model in context.aggregate_type(stream).expect("a type of aggregate").read_models {
            let report = expected.entry((stream.tenant.to_string(), read_model.collection())).or_default();
            for tally in read_model.project(None, events).expect("a document").tallies {
                report.add(tally);
            }
        }
    }
    let days = || expected.values().flat_map(|report| report.days.keys());
    if let (Some(first), Some(last)) = (days().min(), days().max()) {
        for ((tenant, collection), report) in &expected {
            let path = format!("/reports/{collection}");
            let range = format!("{path}?from={first}&to={last}");
            for (target, wanted) in [(path, report.of_all_time()), (range, report.by_day())] {
                let answer = get(world, tenant, &target).await.map(|answer| answer.text);
                let report = answer.as_deref().map(serde_json::from_str::<Value>);
                if !matches!(&report, Some(Ok(report)) if *report == wanted) {
                    let wrong = format!("{target} of {tenant} is {answer:?} and should be {wanted}");
                    world.chaos.journal().violation(None, wrong);
                }
            }
        }
    }
}
