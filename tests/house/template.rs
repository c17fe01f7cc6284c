//! What `template.yaml` and `observability.yaml` repeat of the code, held against the code.

use std::collections::BTreeSet;
use std::fs;

use catalog::reserved_names::CONTEXTS;
use messaging::Queues;
use messaging::queues::{SUBSCRIBERS, Subscriber};
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
    let expected = contexts().collect::<Vec<_>>().join(", ");
    for (name, text) in files() {
        every_loop_names(name, &text, "Context", &expected);
    }
}

/// Who may send commands, and who may move or look at dead letters, may do so in every context.
#[test]
fn every_list_of_contexts_queues_names_those_of_all_contexts() {
    let template = template();
    for (policy, kind) in [
        ("MaySendCommands", "Commands"),
        ("MayMoveDeadLetters", "DeadLetters"),
        ("MayLookAtDeadLetters", "DeadLetters"),
    ] {
        let statement = &template["Resources"][policy]["Properties"]["PolicyDocument"]["Statement"][0];
        let expected: Vec<String> = contexts().map(|context| format!("{context}{kind}.Arn")).collect();
        assert_eq!(statement["Resource"], serde_json::json!(expected), "{policy}");
    }
}

fn every_loop_names(file: &str, text: &str, what: &str, expected: &str) {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let loops: Vec<usize> = (0..lines.len()).filter(|at| lines[*at] == format!("- {what}")).collect();
    assert!(!loops.is_empty(), "{file} has no loop over each {what}");
    for at in loops {
        assert_eq!(lines[at + 1], format!("- [{expected}]"), "{file}, line {}", at + 2);
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
    let subscribers = rows(&template, "Subscribers").filter_map(|(_, row)| row["Name"].as_str());
    let names: BTreeSet<String> = physical_names(&text)
        .into_iter()
        .filter(|(kind, _)| kind == "QueueName")
        .flat_map(|(_, name)| contexts().map(move |context| name.replace("${Context}", context)))
        .chain(subscribers.flat_map(|subscriber| queues_of_a_subscriber(&template, subscriber)))
        .collect();
    for pair in Queues::new("").pairs(contexts()) {
        for queue in [pair.queue_url, pair.dead_letters_url] {
            assert!(names.contains(&queue), "template.yaml has no queue {queue}, only {names:?}");
        }
    }
}

/// The names that the loop over subscribers gives to the queues of one, after the installation's name.
fn queues_of_a_subscriber(template: &Value, subscriber: &str) -> Vec<String> {
    let resources = &template["Resources"]["Fn::ForEach::Subscribers"][2];
    let name = |queue: &Value, kept: &str| {
        // `!Join ["-", [...]]` of texts, `!Ref`s and `!FindInMap`s.
        let parts = queue["Properties"]["QueueName"][1].as_array().unwrap_or_else(|| panic!("no name: {queue}"));
        let part = |part: &Value| match (part.as_str(), part[0].as_str()) {
            (Some(text), _) => text.to_owned(),
            (_, Some("Subscribers")) => subscriber.to_owned(),
            (_, Some("Kept")) => kept.to_owned(),
            _ => panic!("what is {part}?"),
        };
        let name = parts.iter().map(part).collect::<Vec<_>>().join("-");
        name.strip_prefix("AWS::StackName-").unwrap_or_else(|| panic!("{name} is not the installation's")).to_owned()
    };
    let kept = &resources["Fn::ForEach::Kept"][2]["${Subscriber}${Kept}"];
    let kept = rows(template, "Kept").filter_map(|(_, row)| row["Name"].as_str()).map(|row| name(kept, row));
    kept.chain([name(&resources["${Subscriber}Updates"], "")]).collect()
}

/// Its routes need no token.
const PAGES: &str = include_str!("../../pages.yaml");

/// A context's resources are called `INSTALLATION-CONTEXT` and `INSTALLATION-CONTEXT-…`. So no other resource of the
/// same kind may have the name that a new context's would get, or the installation could not be deployed with it.
#[test]
fn no_context_can_get_a_name_that_another_resource_has() {
    let nested = [include_str!("../../export.yaml"), include_str!("../../live.yaml"), PAGES];
    let files = files();
    let texts = files.iter().map(|(_, text)| text.as_str()).chain(nested);
    let names: BTreeSet<(String, String)> =
        texts.flat_map(physical_names).map(|(kind, name)| (kind, name.trim_end_matches(".fifo").to_owned())).collect();
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
    let pages = template_json(PAGES);
    let of_pages = pages["Resources"].as_object().expect("resources").values();
    let of_pages = of_pages.filter(|resource| resource["Type"] == "AWS::ApiGatewayV2::Route");
    let open = rows(&template, "Routes").filter(|(_, row)| row["Scopes"].is_null());
    let open = open.map(|(_, row)| &row["Key"]).chain(of_pages.map(|route| &route["Properties"]["RouteKey"]));
    let throttled = template["Resources"]["ApiStage"]["Properties"]["RouteSettings"].as_object().expect("settings");
    let throttled: BTreeSet<&str> = throttled.keys().map(String::as_str).collect();
    assert_eq!(throttled, open.filter_map(Value::as_str).collect());
    assert_eq!(files()[0].1.matches("AuthorizationType: NONE").count(), 1, "what else needs no token?");
}

/// A route is in the loop that its scopes ask for, and the API may invoke its function.
#[test]
fn every_route_of_the_table_is_deployed() {
    let template = template();
    let such = |is: fn(&Value) -> bool| -> BTreeSet<&str> {
        rows(&template, "Routes").filter(|(_, row)| is(row)).map(|(name, _)| name).collect()
    };
    assert_eq!(items(&template, "RoutesWithToken"), such(|row| row["Scopes"].is_array()));
    assert_eq!(items(&template, "RoutesWithoutToken"), such(|row| row["Scopes"].is_null()));
    assert_eq!(items(&template, "Permissions"), items(&template, "Integrations"));
    let functions: BTreeSet<&str> = rows(&template, "Routes").filter_map(|(_, row)| row["Function"].as_str()).collect();
    assert_eq!(items(&template, "Integrations"), functions, "the API may invoke what routes lead to");
    for function in items(&template, "Integrations") {
        let known = &template["Mappings"]["Functions"][function];
        assert_eq!(known["Integration"], format!("{function}Integration"));
        assert_eq!(known["Alias"], format!("{function}.Alias"));
    }
}

/// A subscriber is a name in the code, a function, and a row in both templates, whose loops name it.
#[test]
fn every_subscriber_is_deployed_and_watched() {
    let expected: BTreeSet<_> = SUBSCRIBERS.iter().map(|subscriber| (subscriber.name, subscriber.function)).collect();
    for (file, text) in files() {
        let template = template_json(&text);
        let ids: Vec<&str> = rows(&template, "Subscribers").map(|(id, _)| id).collect();
        every_loop_names(file, &text, "Subscriber", &ids.join(", "));
        let names = rows(&template, "Subscribers").map(|(_, row)| (row["Name"].as_str(), row["Function"].as_str()));
        let names: BTreeSet<_> = names.filter_map(|(name, function)| name.zip(function)).collect();
        assert_eq!(names, expected, "{file}, and shared/messaging/src/queues.rs");
    }
    for Subscriber { name, function } in SUBSCRIBERS {
        let function = format!("{}/../functions/{function}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        assert!(fs::exists(&function).is_ok_and(|is_there| is_there), "there is no {function}");
        assert!(contexts().all(|context| context != *name), "{name} is a context, whose alarms are called so");
    }
}

/// An event that no context hears costs the listener nothing; one that the filter lacks would never be heard.
#[test]
fn the_listener_gets_what_contexts_hear() {
    let [(_, text), _] = files();
    let template = template_json(&text);
    let types = template["Mappings"]["Subscribers"]["Listener"]["Types"].as_array().expect("a list").iter();
    let types: Vec<&str> = types.filter_map(Value::as_str).collect();
    let heard = catalog::CONTEXTS.iter().flat_map(|context| context.hears);
    let heard = heard.filter(|heard| !heard.is_partner).flat_map(|heard| heard.events);
    let heard: BTreeSet<&str> = heard.map(|event| event.name).collect();
    assert_eq!(types, heard.into_iter().collect::<Vec<_>>());
}

/// What others are shown filters by what the topic says, and by events that there are.
#[test]
fn the_subscription_that_others_are_shown_gets_events() {
    let text = include_str!("../../docs/subscription.yaml");
    let filter = &template_json(text)["Resources"]["Subscription"]["Properties"]["FilterPolicy"];
    let texts = |name: &str| -> BTreeSet<&str> {
        filter[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let names: BTreeSet<&str> = filter.as_object().expect("a filter").keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(messaging::event_topic::ATTRIBUTES));
    for context in texts("context") {
        let context = catalog::context(context).unwrap_or_else(|| panic!("there is no context {context}"));
        let published: BTreeSet<&str> = context.events().map(|event| event.name).collect();
        assert!(texts("type").is_subset(&published), "{filter}");
    }
}

/// A subscriber's alarms are told by one of its two composite alarms.
#[test]
fn every_alarm_of_a_subscriber_is_told() {
    let [_, (_, text)] = files();
    let resources = &template_json(&text)["Resources"]["Fn::ForEach::Subscribers"][2];
    let kept = resources["Fn::ForEach::KeptAlarms"][2].as_object().expect("alarms of what is kept").keys();
    let kept = kept.flat_map(|id| ["DeadLetters", "Undelivered"].map(|kept| id.replace("${Kept}", kept)));
    let own =
        resources.as_object().expect("alarms").iter().filter(|(_, alarm)| alarm["Type"] == "AWS::CloudWatch::Alarm");
    let alarms: BTreeSet<String> = own.map(|(id, _)| id.clone()).chain(kept).collect();
    let told = |composite: &str| {
        let rule = &resources[composite]["Properties"]["AlarmRule"];
        let (text, names) = (rule[0].as_str().expect("a rule"), rule[1].as_object().expect("names"));
        assert!(names.keys().all(|name| text.contains(&format!("ALARM(\"${{{name}}}\")"))), "{rule}");
        names.values().map(|alarm| alarm["Ref"].as_str().expect("an alarm").to_owned()).collect::<BTreeSet<_>>()
    };
    let told: BTreeSet<String> =
        ["${Subscriber}Alarm", "${Subscriber}RepairAlarm"].into_iter().flat_map(told).collect();
    assert!(alarms.len() >= 12, "{alarms:?}");
    assert_eq!(told, alarms);
}

/// A property that is left out is not turned off where an earlier release has turned it on.
#[test]
fn that_nothing_parked_expires_is_said_and_not_left_out() {
    let [(_, template), _] = files();
    let table = template.split("\n  ParkedTable:").nth(1).and_then(|rest| rest.split("\n\n").next());
    let table = table.expect("the table of what is parked");
    assert!(table.contains("TimeToLiveSpecification: { AttributeName: expires_at, Enabled: false }"), "{table}");
}
