//! Operators: they look at what is parked, and repair it, send it back or give it up; sometimes two at once.

use std::rc::Rc;
use std::time::Duration;

use bench::Answer;
use kernel::receipt::Receipt;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::http::request;
use crate::invocation::{Died, Role};
use crate::workload::REPAIRED;
use crate::world::{TENANTS, World};

const TIMEOUT: Duration = Duration::from_secs(29);

pub fn start(world: &Rc<World>) {
    for name in ["platform", "platform", "amber-desk", "basalt-desk"] {
        tokio::task::spawn_local(work(Rc::clone(world), name));
    }
}

async fn work(world: Rc<World>, name: &'static str) {
    loop {
        sleep(world.pause(world.between(Duration::from_mins(2), Duration::from_mins(9)))).await;
        if !world.has_parked() {
            continue;
        }
        let Some(groups) = ask(&world, name, "GET", "/parked", None).await else { continue };
        for group in groups["groups"].as_array().into_iter().flatten() {
            let (queue, reason) = (text(group, "queue"), text(group, "reason"));
            let target = format!("/parked?queue={queue}&reason={reason}&limit=50");
            let Some(list) = ask(&world, name, "GET", &target, None).await else { continue };
            let items = list["items"].as_array().cloned().unwrap_or_default();
            // They read, and others act meanwhile.
            if !items.is_empty() {
                sleep(world.between(Duration::ZERO, Duration::from_mins(3))).await;
            }
            act(&world, name, &items).await;
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

async fn act(world: &World, name: &str, items: &[Value]) {
    // What failed for a passing reason goes back together.
    let (together, alone): (Vec<&Value>, Vec<&Value>) =
        items.iter().partition(|item| item["operation"].is_string() && text(item, "reason") != "unreadable");
    if !together.is_empty() {
        let ids: Vec<&str> = together.iter().map(|item| text(item, "id")).collect();
        if together.iter().all(|item| may_be_given_up(world, item)) && world.chance(150) {
            let body = json!({ "ids": ids, "reason": "nobody wants it any more" });
            ask(world, name, "POST", "/parked/discard", Some(&body)).await;
        } else {
            ask(world, name, "POST", "/parked/resubmit", Some(&json!({ "ids": ids }))).await;
        }
    }
    for item in alone {
        one(world, name, item).await;
    }
}

/// Whether nothing is left undone for ever if this is not carried out: a client's command, or one whose sender is told. All
/// else is what a process or a read model waits for.
fn may_be_given_up(world: &World, item: &Value) -> bool {
    let Some(receipt) = item["operation"].as_str().and_then(Receipt::read) else { return false };
    let journal = world.chaos.journal();
    let known = journal.find(&receipt.command_key.to_string()).map(|command| &journal.known[command as usize]);
    known.is_none_or(|known| known.turn.is_some() || known.ty == "ConfirmOrder")
}

async fn one(world: &World, name: &str, item: &Value) {
    let id = text(item, "id");
    let Some(detail) = ask(world, name, "GET", &format!("/parked/{id}"), None).await else { return };
    if text(&detail, "stage") != "waiting" {
        return;
    }
    let garbage = detail.to_string().to_lowercase().contains("garbage");
    let may_be_given_up = may_be_given_up(world, item);
    let (target, body) = if detail["repairable"] == true && world.chance(800) {
        let mut data = detail["data"].clone();
        if let Some(lines) = data["lines"].as_array_mut() {
            for line in lines.iter_mut() {
                line["quantity"] = json!(REPAIRED);
            }
        }
        (format!("/parked/{id}/resubmit"), json!({ "data": data, "reason": "a whole number" }))
    } else if (!may_be_given_up && !garbage) || (!world.chaos.is_calm() && world.chance(300)) {
        (format!("/parked/{id}/resubmit"), json!({}))
    } else {
        (format!("/parked/{id}/discard"), json!({ "reason": "of no use" }))
    };
    sleep(world.between(Duration::ZERO, Duration::from_mins(1))).await;
    ask(world, name, "POST", &target, Some(&body)).await;
}

/// The answer's body; nothing if it was refused for a reason that there may be.
async fn ask(world: &World, name: &str, method: &'static str, target: &str, body: Option<&Value>) -> Option<Value> {
    let warm = world.desk();
    let it = world.chaos.invocation(Role::Operator);
    let body = body.map(ToString::to_string);
    let request = request(method, target, name, "application/json", body.as_deref());
    let answer = world.chaos.invoke(it, TIMEOUT, warm.function.handle(request, world.now(warm.skew))).await;
    let answer = answer.inspect_err(|Died| world.desks.drop(&warm)).ok()?;
    let answer = Answer::of(answer);
    if let Some(own) = TENANTS.iter().find(|tenant| name.starts_with(**tenant)) {
        crate::clients::isolated(world, own, &answer.text);
    }
    match answer.status.as_u16() {
        200 | 202 => {
            // Of many, each has a status of its own.
            let answer = answer.json();
            let late = answer["results"].as_array().into_iter().flatten().filter(|result| result["status"] == 409);
            world.chaos.journal().conflicts += late.count();
            Some(answer)
        }
        404 | 503 => None,
        409 => {
            world.chaos.journal().conflicts += 1;
            None
        }
        status => {
            let what = format!("{name} was answered {status} to {method} {target}: {}", answer.text);
            world.chaos.journal().violation(None, what);
            None
        }
    }
}
