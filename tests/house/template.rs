//! What `template.yaml` and `observability.yaml` repeat of the code, held against the code.

use std::collections::BTreeSet;
use std::fs;

use catalog::reserved_names::CONTEXTS;
use messaging::Queues;
use serde_json::Value;
use testkit::template_json;

/// The two files, by name.
fn files() -> [(&'static str, String); 2] {
    ["template.yaml", "observability.yaml"].map(|name| {
        let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
        (name, fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
    })
}

fn contexts() -> impl Iterator<Item = &'static str> {
    catalog::CONTEXTS.iter().map(|context| context.name)
}

/// SAM packages functions only in a loop over a list that is written out, so each loop has its own.
#[test]
fn every_loop_over_contexts_names_those_of_the_catalog() {
    let expected = format!("- [{}]", contexts().collect::<Vec<_>>().join(", "));
    for (name, text) in files() {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let loops: Vec<usize> = (0..lines.len()).filter(|at| lines[*at] == "- Context").collect();
        assert!(loops.len() >= 2, "{name} has {} loops over contexts", loops.len());
        for at in loops {
            assert_eq!(lines[at + 1], expected, "{name}, line {}", at + 2);
        }
    }
}

/// `template.yaml` as JSON, its tags left out.
pub fn template() -> Value {
    template_json(&files()[0].1)
}

/// What a loop among the resources goes through.
fn items<'a>(template: &'a Value, name: &str) -> BTreeSet<&'a str> {
    let items = template["Resources"][format!("Fn::ForEach::{name}")][1].as_array();
    items.unwrap_or_else(|| panic!("there is no loop {name}")).iter().filter_map(Value::as_str).collect()
}

/// The rows of a mapping.
pub fn rows<'a>(template: &'a Value, mapping: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let rows = template["Mappings"][mapping].as_object();
    rows.unwrap_or_else(|| panic!("there is no mapping {mapping}")).iter().map(|(name, row)| (name.as_str(), row))
}

/// Functions know queues by name, so the template must call them what the code does.
#[test]
fn the_template_has_the_queues_that_the_code_knows() {
    let [(_, text), _] = files();
    let template = template();
    let subscribers = || rows(&template, "Subscribers").filter_map(|(_, row)| row["Name"].as_str());
    let names: BTreeSet<String> = physical_names(&text)
        .into_iter()
        .filter(|(kind, _)| kind == "QueueName")
        .flat_map(|(_, name)| contexts().map(move |context| name.replace("${Context}", context)))
        .flat_map(|name| subscribers().map(move |subscriber| name.replace("${Name}", subscriber)))
        .collect();
    for pair in Queues::new("").pairs(contexts()) {
        for queue in [pair.queue_url, pair.dead_letters_url] {
            assert!(names.contains(&queue), "template.yaml has no queue {queue}, only {names:?}");
        }
    }
}

/// A context's resources are called `INSTALLATION-CONTEXT` and `INSTALLATION-CONTEXT-…`. So no other resource of the
/// same kind may have the name that a new context's would get, or the installation could not be deployed with it.
#[test]
fn no_context_can_get_a_name_that_another_resource_has() {
    let names: BTreeSet<(String, String)> = files()
        .iter()
        .flat_map(|(_, text)| physical_names(text))
        .map(|(kind, name)| (kind, name.trim_end_matches(".fifo").to_owned()))
        .collect();
    let mut taken = BTreeSet::new();
    for (kind, of_context) in &names {
        let Some(suffix) = of_context.strip_prefix("${Context}") else { continue };
        for (_, other) in names.iter().filter(|(other, _)| other == kind) {
            let context = other.strip_suffix(suffix).filter(|name| name.bytes().all(|b| b.is_ascii_lowercase()));
            taken.extend(context.map(|context| (context, other.as_str())));
        }
    }
    assert!(taken.contains(&("platform", "platform")) && taken.contains(&("publisher", "publisher-dead-letters")));
    for (context, name) in taken {
        let reserved = CONTEXTS.iter().any(|(_, names)| names.contains(&context));
        // No context can be called as a package is.
        let is_function = fs::exists(format!("{}/../functions/{context}", env!("CARGO_MANIFEST_DIR")));
        let taken = reserved || is_function.is_ok_and(|is_function| is_function);
        assert!(taken, "{context} is missing in shared/catalog/src/reserved_names.rs: a resource is called {name}");
    }
}

/// What resources are called after the installation's name, each with the property that says so: `AlarmName`.
fn physical_names(text: &str) -> Vec<(String, String)> {
    let written = |line: &str| {
        let (before, name) = line.split_once(": !Sub ")?;
        let name = name.trim_start_matches(['[', '"']);
        let name = name.strip_prefix("${AWS::StackName}-").or_else(|| name.strip_prefix("${Installation}-"))?;
        let name = name.split('"').next()?;
        Some((before.rsplit([' ', '{']).next()?.to_owned(), name.to_owned()))
    };
    // Loops over other things than contexts make alarms, whose names are in mappings.
    let mapped = |line: &str| {
        let (_, name) = line.split_once(": { Queue: ").or_else(|| line.split_once(": { Name: "))?;
        Some(("AlarmName".to_owned(), name.split([',', ' ']).next()?.to_owned()))
    };
    let lines: Vec<&str> = text.lines().collect();
    // A name may stand in the line after its property.
    let below = |pair: &[&str]| {
        pair[0].ends_with(": !Sub").then(|| format!("{} {}", pair[0], pair[1].trim().trim_start_matches("- ")))
    };
    let joined: Vec<String> = lines.windows(2).filter_map(below).collect();
    let all = lines.iter().copied().chain(joined.iter().map(String::as_str));
    let names = all.filter_map(written);
    names.filter(|(kind, _)| kind.ends_with("Name")).chain(lines.iter().filter_map(|line| mapped(line))).collect()
}

/// What anybody may ask for must not use up what callers may.
#[test]
fn what_needs_no_token_is_throttled_by_itself() {
    let template = template();
    let open = rows(&template, "Routes").filter(|(_, row)| row["Scopes"].is_null());
    let throttled = template["Resources"]["ApiStage"]["Properties"]["RouteSettings"].as_object().expect("settings");
    let throttled: BTreeSet<&str> = throttled.keys().map(String::as_str).collect();
    assert_eq!(throttled, open.filter_map(|(_, row)| row["Key"].as_str()).collect());
    assert_eq!(files()[0].1.matches("AuthorizationType: NONE").count(), 1, "what else needs no token?");
}

/// A route is in the loop that its scopes ask for, and the API may invoke its function for its path.
#[test]
fn every_route_of_the_table_is_deployed() {
    let template = template();
    let such = |is: fn(&Value) -> bool| -> BTreeSet<&str> {
        rows(&template, "Routes").filter(|(_, row)| is(row)).map(|(name, _)| name).collect()
    };
    assert_eq!(items(&template, "RoutesWithToken"), such(|row| row["Scopes"].is_array()));
    assert_eq!(items(&template, "RoutesWithoutToken"), such(|row| row["Scopes"].is_null()));
    assert_eq!(items(&template, "Permissions"), such(|row| row["Path"].is_string()));
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let invoked: BTreeSet<(String, String)> = rows(&template, "Routes")
        .map(|(_, row)| (text(row, "Path"), text(row, "Alias").replace(".Alias", "Integration")))
        .collect();
    for (name, row) in rows(&template, "Routes") {
        let key = text(row, "Key");
        let path = key.split_once(' ').map_or_else(|| format!("/{key}"), |(_, path)| path.to_owned());
        assert!(invoked.contains(&(path, text(row, "Integration"))), "the API may not invoke the function of {name}");
    }
}

/// What a subscriber has outside of its loop: the topic's right to send, and alarms that somebody is told of.
#[test]
fn every_subscriber_is_reached_and_watched() {
    let [(_, template_text), (_, observability_text)] = files();
    let (template, observability) = (template(), template_json(&observability_text));
    let subscribers: BTreeSet<&str> = rows(&template, "Subscribers").map(|(name, _)| name).collect();
    assert_eq!(items(&template, "Subscribers"), subscribers);
    let rule = |alarm: &str| observability["Resources"][alarm]["Properties"]["AlarmRule"].to_string();
    for subscriber in subscribers {
        let policy = format!("Queues: [!Ref {subscriber}Updates]");
        assert!(template_text.contains(&policy), "the topic may not send to {subscriber}Updates");
        for queue in ["DeadLetters", "Undelivered"].map(|kind| format!("{subscriber}{kind}")) {
            assert!(items(&observability, "DeadLetterAlarms").contains(queue.as_str()), "{queue}");
            let name = observability["Mappings"]["DeadLetterQueues"][&queue]["Queue"].as_str().expect("a name");
            for (kind, alarm, told) in [
                ("", "", "PlatformAlarm"),
                ("Old", "-old", "PlatformAlarm"),
                ("GivenUp", "-attempts-used-up", "PlatformRepairAlarm"),
                ("Forgotten", "-forgotten", "PlatformRepairAlarm"),
            ] {
                assert!(rule(told).contains(&format!("${{{queue}{kind}Alarm}}")), "{told} lacks {queue}{kind}Alarm");
                let shown = format!("\"${{Alarm}}-{name}{alarm}\"");
                assert!(observability_text.contains(&shown), "the dashboard lacks {shown}");
            }
        }
        assert!(items(&observability, "QueueAgeAlarms").contains(format!("{subscriber}Updates").as_str()));
        assert!(rule("PlatformAlarm").contains(&format!("${{{subscriber}UpdatesOldAlarm}}")));
    }
}

/// A property that is left out is not turned off where an earlier release has turned it on.
#[test]
fn that_nothing_parked_expires_is_said_and_not_left_out() {
    let [(_, template), _] = files();
    let table = template.split("\n  ParkedTable:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let table = table.expect("the table of what is parked");
    assert!(table.contains("TimeToLiveSpecification: { AttributeName: expires_at, Enabled: false }"), "{table}");
}
