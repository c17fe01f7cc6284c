//! What goes wrong from time to time, besides calls and invocations.

use std::rc::Rc;
use std::time::Duration;

use bench::platform::{commands, retries, timers};
use messaging::queues::{SUBSCRIBERS, is_fifo};
use serde_json::json;
use tokio::time::sleep;

use crate::chaos::Down;
use crate::lanes::Lanes;
use crate::world::{CONTEXTS, TENANTS, World, queues_of};

pub const POISON: &str = "poison in a queue";

/// What goes wrong from time to time.
pub async fn ills(world: Rc<World>) {
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_mins(1);
    for nth in 0_usize.. {
        sleep(world.between(10 * SECOND, 2 * MINUTE)).await;
        if world.chaos.is_calm() {
            return;
        }
        // One of five lasts until the dead letters fill.
        let outage = if world.chance(200) { 30 * MINUTE } else { 6 * MINUTE };
        let outage = world.between(MINUTE, outage);
        match world.below(20) {
            0 | 1 => world.chaos.take_down(Down::Context(world.pick(&CONTEXTS)), outage),
            2 => world.chaos.take_down(Down::Registry, outage.min(10 * MINUTE)),
            3 => world.chaos.take_down(Down::Topic, outage),
            4 => world.chaos.take_down(Down::Queues, outage.min(5 * MINUTE)),
            5 => world.chaos.take_down(Down::Database, outage.min(5 * MINUTE)),
            6 | 7 => rewind_all(&world),
            8 | 9 => poison(&world, &commands(world.pick(&CONTEXTS)), nth),
            10 | 11 => {
                let [queue, ..] = queues_of(SUBSCRIBERS[world.below(SUBSCRIBERS.len())].name);
                poison(&world, &queue, nth);
            }
            12 => poison(&world, &retries(), nth),
            13 => poison(&world, &timers(), nth),
            14 | 15 => world.chaos.take_down(Down::Provider, outage),
            16 => world.chaos.take_down(Down::Mail, outage),
            _ => world.deploy(),
        }
    }
}

/// A message that nobody can read.
fn poison(world: &World, queue: &str, nth: usize) {
    let id = format!("poison-{nth}");
    let body = match nth % 3 {
        0 => format!("garbage {nth}"),
        1 => json!({ "garbage": nth }).to_string(),
        _ => json!({ "specversion": "1.0", "id": id, "source": "/", "type": "Garbage" }).to_string(),
    };
    let fifo = is_fifo(queue);
    // Half of it stands in the way of commands.
    let context = CONTEXTS.iter().find(|context| queue == commands(context));
    let group = match context {
        Some(context) if world.chance(500) => format!("{}/{context}/hot-{}", world.pick(&TENANTS), world.below(3)),
        _ => id.clone(),
    };
    world.aws.put(queue, fifo.then_some(group.as_str()), fifo.then_some(id.as_str()), &body);
    let mut journal = world.chaos.journal();
    journal.count(POISON);
    journal.poison.insert(body);
}

/// Both tables' streams are to be read again from some place on.
fn rewind_all(world: &World) {
    rewind(world, &world.committed);
    rewind(world, &world.ended);
}

/// A few hundred records ago, or, one time of five, as far back as can be.
fn rewind(world: &World, lanes: &Lanes) {
    let (past, ahead) = (lanes.past(), lanes.ahead());
    let from = if world.chance(200) { 0 } else { past - world.below(past.min(300)) };
    lanes.rewind_to(from);
    let mut journal = world.chaos.journal();
    journal.count("stream rewound");
    if past - from > ahead {
        journal.took("stream rewound");
    }
}
