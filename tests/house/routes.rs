//! The functions' tables of routes, held against all that repeats them: `openapi.yaml`, the gateway's routes in
//! `template.yaml`, and the names that no collection may have.

use std::collections::BTreeSet;

use catalog::reserved_names::PATHS;
use lambda::routes::Route;
use testkit::openapi::Description;
use testkit::template_json;

use crate::template::{rows, template};

/// A method and a path of the API.
type Request = (String, String);

fn requests<E>(routes: &[Route<E>]) -> BTreeSet<Request> {
    routes.iter().map(|route| (route.method.to_string(), route.path.to_owned())).collect()
}

/// The function whose answers are for people, and not part of the API.
const PAGES: &str = "Pages";

/// All that is served, by the function that serves it, as `template.yaml` calls it.
fn served() -> [(&'static str, BTreeSet<Request>); 9] {
    [
        ("Ingest", requests(ingest::ROUTES)),
        ("Query", requests(query::ROUTES)),
        ("Operator", requests(operator::ROUTES)),
        ("Redrive", requests(redrive::ROUTES)),
        ("WebhookApi", requests(webhook_api::ROUTES)),
        ("Rebuild", requests(rebuild::ROUTES)),
        ("Verifier", requests(verifier::ROUTES)),
        ("Connections", requests(connections::ROUTES)),
        (PAGES, requests(pages::ROUTES)),
    ]
}

/// The API's routes that a nested stack adds. All lead to one function, and want a token, or not.
fn nested(template: &str, function: &str, authorization: &str) -> Vec<(String, String)> {
    let template = template_json(template);
    let resources = template["Resources"].as_object().expect("resources").values();
    let of_the_api = resources.filter(|resource| {
        resource["Type"] == "AWS::ApiGatewayV2::Route" && resource["Properties"]["ApiId"] == "ApiId"
    });
    let keys = of_the_api.map(|route| {
        assert_eq!(route["Properties"]["AuthorizationType"], authorization, "{route}");
        route["Properties"]["RouteKey"].as_str().expect("text").to_owned()
    });
    keys.map(|key| (key, function.to_owned())).collect()
}

#[test]
fn the_description_has_exactly_the_routes_that_are_served() {
    let mut described = BTreeSet::new();
    for (path, item) in Description::read().0["paths"].as_object().expect("paths") {
        let methods = item.as_object().into_iter().flatten().map(|(name, _)| name).filter(|name| *name != "parameters");
        described.extend(methods.map(|method| (method.to_ascii_uppercase(), path.clone())));
    }
    let served = served().into_iter().filter(|(function, _)| *function != PAGES).flat_map(|(_, routes)| routes);
    assert_eq!(described, served.collect());
}

/// Whether the gateway's route takes the request. `{name}` stands for one segment, `{name+}` at its end for one or more.
fn takes((by, route): &(&str, &str), (method, path): &Request) -> bool {
    let (route, path) = (route.split('/'), path.split('/'));
    let (wanted, there) = (route.clone().count(), path.clone().count());
    (*by == "ANY" || by == method)
        && (wanted == there || route.clone().next_back().is_some_and(is_greedy) && wanted < there)
        && route.zip(path).all(|(name, segment)| name.starts_with('{') || name == segment)
}

fn is_greedy(name: &str) -> bool {
    name.starts_with('{') && name.ends_with("+}")
}

#[test]
fn a_greedy_route_takes_whatever_is_below() {
    let takes = |route, path: &str| takes(&("ANY", route), &("GET".to_owned(), path.to_owned()));
    assert!(takes("/parked/{proxy+}", "/parked/x") && takes("/parked/{proxy+}", "/parked/x/revisions/1"));
    assert!(!takes("/parked/{proxy+}", "/parked") && !takes("/parked/{proxy+}", "/traces/x"));
    assert!(takes("/traces/{id}", "/traces/x") && !takes("/traces/{id}", "/traces/x/y"));
}

#[test]
fn the_gateway_sends_every_route_to_the_function_that_serves_it() {
    let template = template();
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().expect("text").to_owned();
    let rows = rows(&template, "Routes").map(|(_, row)| (text(row, "Key"), text(row, "Function")));
    let live = nested(include_str!("../../live.yaml"), "Connections", "JWT");
    let pages = nested(include_str!("../../pages.yaml"), PAGES, "NONE");
    let rows: Vec<_> = rows.chain(live).chain(pages).collect();
    let mut used = BTreeSet::new();
    for (function, request) in served().iter().flat_map(|(function, all)| all.iter().map(move |it| (function, it))) {
        let fitting = rows.iter().filter(|(key, _)| key.split_once(' ').is_some_and(|route| takes(&route, request)));
        // The gateway prefers any other path to a greedy one, then the more literal path, and then the method itself to any.
        let taken =
            fitting.min_by_key(|(key, _)| (key.ends_with("+}"), key.matches('{').count(), key.starts_with("ANY ")));
        let (key, of_route) = taken.or(rows.iter().find(|(key, _)| key == "$default")).expect("a default");
        assert_eq!(of_route, function, "{request:?} goes by {key}");
        used.insert(key);
    }
    // Its methods are those that a function refuses.
    let own = ["ANY /commands", "OPTIONS /{proxy+}"];
    let needless = rows.iter().filter(|(key, _)| !used.contains(key) && !own.contains(&key.as_str()));
    assert_eq!(needless.map(|(key, _)| key).collect::<Vec<_>>(), [] as [&str; 0], "no function serves these");
}

#[test]
fn no_collection_may_be_called_as_a_path_begins_and_no_other_name_is_reserved_for_it() {
    let all = served().into_iter().flat_map(|(_, routes)| routes);
    let first = all.filter_map(|(_, path)| path.split('/').nth(1).map(str::to_owned));
    let first: BTreeSet<String> = first.filter(|segment| !segment.starts_with('{')).collect();
    let reserved: BTreeSet<String> = PATHS.iter().map(ToString::to_string).collect();
    assert_eq!(first, reserved, "shared/catalog/src/reserved_names.rs has the names on the right");
}
