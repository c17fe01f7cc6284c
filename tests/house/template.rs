//! What `template.yaml` and `observability.yaml` repeat of the code, held against the code, and their routes against
//! `openapi.yaml`.

use std::collections::BTreeSet;
use std::fs;

use catalog::reserved_names::{CONTEXTS, PATHS};
use messaging::Queues;
use testkit::openapi::Description;

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

/// Functions know queues by name, so the template must call them what the code does.
#[test]
fn the_template_has_the_queues_that_the_code_knows() {
    let [(_, template), _] = files();
    let names: BTreeSet<String> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("QueueName: !Sub \"${AWS::StackName}-"))
        .flat_map(|name| contexts().map(|context| name.trim_end_matches('"').replace("${Context}", context)))
        .collect();
    for pair in Queues::new("").pairs(contexts()) {
        for queue in [pair.queue_url, pair.dead_letters_url] {
            assert!(names.contains(&queue), "template.yaml has no queue {queue}, only {names:?}");
        }
    }
}

/// The gateway's routes: method and path. What none of them takes goes to `$default`. Those of the console are none of the
/// API's.
fn routes() -> Vec<(String, String)> {
    let [(_, template), _] = files();
    let own = |line: &str| {
        let (method, path) = line.strip_prefix("RouteKey: ")?.trim_matches('"').split_once(' ')?;
        (method != "!Sub").then(|| (method.to_ascii_lowercase(), path.to_owned()))
    };
    let mapped = |line: &str| {
        let path = line.split_once("{ Path: ")?.1.strip_suffix(" }")?.trim_matches('"');
        (!path.starts_with("/console")).then(|| ("any".to_owned(), path.to_owned()))
    };
    template.lines().map(str::trim).filter_map(|line| own(line).or_else(|| mapped(line))).collect()
}

/// Whether the route takes what the path's template describes. `{name}` stands for one segment.
fn takes(route: &str, path: &str) -> bool {
    match (route.split_once('/'), path.split_once('/')) {
        (Some((route, deeper)), Some((path, below))) => one(route, path) && takes(deeper, below),
        (None, None) => one(route, path),
        _ => false,
    }
}

fn one(route: &str, path: &str) -> bool {
    route == path || route.starts_with('{')
}

#[test]
fn every_route_is_described_and_what_is_for_operators_alone_has_one() {
    let routes = routes();
    assert!(routes.len() >= 9, "{routes:?}");
    let paths = Description::read().0["paths"].as_object().expect("paths");
    let described: Vec<(&str, &str)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().into_iter().flatten().map(move |(method, _)| (method.as_str(), path.as_str()))
        })
        .filter(|(method, _)| *method != "parameters")
        .collect();
    let leads = |(by, route): &(String, String), (method, path): &(&str, &str)| {
        (by == "any" || by == method) && takes(route, path)
    };
    for operation in described
        .iter()
        .filter(|(method, path)| *method != "get" || FOR_OPERATORS.iter().any(|own| path.starts_with(own)))
    {
        assert!(routes.iter().any(|route| leads(route, operation)), "template.yaml has no route for {operation:?}");
    }
    for route in &routes {
        assert!(described.iter().any(|operation| leads(route, operation)), "openapi.yaml does not describe {route:?}");
    }
}

/// What begins so does not go to `$default`, which query answers.
const FOR_OPERATORS: [&str; 3] = ["/parked", "/dead-letters", "/redrive"];

/// The first segments of the paths that `openapi.yaml` describes and `template.yaml` routes, but for placeholders.
fn first_segments_of_the_api() -> BTreeSet<String> {
    let described = Description::read().0["paths"].as_object().expect("paths").keys().cloned();
    let [(_, template), _] = files();
    let console =
        template.lines().filter_map(|line| line.split_once("{ Path: ")).map(|(_, path)| path.replace('"', ""));
    let paths = described.chain(routes().into_iter().map(|(_, path)| path)).chain(console);
    let first = |path: String| {
        let segment = path.trim_start_matches('/').split(['/', '"', ':', ' ', '}']).next();
        segment.unwrap_or_default().to_owned()
    };
    paths.map(first).filter(|segment| !segment.starts_with('{')).collect()
}

#[test]
fn every_path_of_the_api_is_reserved() {
    let segments = first_segments_of_the_api();
    assert!(segments.contains("console") && segments.contains("operations"), "{segments:?}");
    for segment in segments {
        assert!(PATHS.contains(&segment.as_str()), "{segment} is missing in shared/catalog/src/reserved_names.rs");
    }
}

/// A context's resources are called `INSTALLATION-CONTEXT` and `INSTALLATION-CONTEXT-…`. So no other resource of the
/// same kind may have the name that a new context's would get, or the installation could not be deployed with it.
#[test]
fn no_context_can_get_a_name_that_another_resource_has() {
    let names: BTreeSet<(String, String)> = files().iter().flat_map(|(_, text)| physical_names(text)).collect();
    let mut taken = BTreeSet::new();
    for (kind, of_context) in &names {
        let Some(suffix) = of_context.strip_prefix("${Context}") else { continue };
        for (_, other) in names.iter().filter(|(other, _)| other == kind) {
            let context = other.strip_suffix(suffix).filter(|name| name.bytes().all(|b| b.is_ascii_lowercase()));
            taken.extend(context.map(|context| (context, other.as_str())));
        }
    }
    assert!(
        taken.contains(&("platform", "platform")) && taken.contains(&("subscription", "subscription-dead-letters"))
    );
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
    let written = text.lines().filter_map(|line| {
        let (kind, name) = line.trim().split_once(": !Sub \"")?;
        let name = name.strip_prefix("${AWS::StackName}-").or_else(|| name.strip_prefix("${Installation}-"))?;
        Some((kind, name.trim_end_matches('"').trim_end_matches(".fifo")))
    });
    // Loops over other things than contexts make alarms, whose names are in mappings.
    let mapped = text.lines().filter_map(|line| {
        let (_, name) = line.split_once("{ Queue: ").or_else(|| line.split_once("{ Name: "))?;
        Some(("AlarmName", name.split([',', ' ']).next()?))
    });
    let names = written.filter(|(kind, _)| kind.ends_with("Name")).chain(mapped);
    names.map(|(kind, name)| (kind.to_owned(), name.to_owned())).collect()
}

/// What anybody may ask for must not use up what callers may.
#[test]
fn what_needs_no_token_is_throttled_by_itself() {
    let [(_, template), _] = files();
    let lines_of = |name: &str| {
        let lines = template.lines().skip_while(|line| line.trim() != format!("{name}:")).skip(1);
        lines
            .map(str::trim)
            .take_while(|line| line.contains(": {"))
            .map(|line| line.replace('"', ""))
            .collect::<Vec<_>>()
    };
    let open: BTreeSet<String> = ["ConsoleRoutes", "OpenRoutes"]
        .into_iter()
        .flat_map(lines_of)
        .filter_map(|line| Some(format!("ANY {}", line.split_once("{ Path: ")?.1.strip_suffix(" }")?)))
        .chain(["OPTIONS /commands".to_owned()])
        .collect();
    let throttled: BTreeSet<String> = lines_of("RouteSettings")
        .iter()
        .filter_map(|line| Some(line.split_once(": { ThrottlingRateLimit:")?.0.to_owned()))
        .collect();
    assert_eq!(throttled, open);
    let without_token = template.matches("AuthorizationType: NONE").count();
    assert_eq!(without_token, 3, "two loops and the webhooks' question; what else needs no token?");
}

/// A property that is left out is not turned off where an earlier release has turned it on.
#[test]
fn that_nothing_parked_expires_is_said_and_not_left_out() {
    let [(_, template), _] = files();
    let table = template.split("\n  ParkedTable:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let table = table.expect("the table of what is parked");
    assert!(table.contains("AttributeName: expires_at\n        Enabled: false"), "{table}");
}
