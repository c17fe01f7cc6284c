//! `openapi.yaml` and `docs/problems.md` say what the code does: no more, no less.

use std::collections::BTreeSet;

use kernel::operation::{Operation, Resource, Status};
use kernel::principal::{Principal, PrincipalKind};
use kernel::problem::{Complaint, Problem};
use serde::Serialize;
use serde_json::{Map, Value, json};

use kernel::timestamp::Timestamp;
use testkit::openapi::Description;

const PROBLEMS: &str = include_str!("../../docs/problems.md");

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

fn schema(name: &str) -> &'static Value {
    let schema = &Description::read().0["components"]["schemas"][name];
    assert!(!schema.is_null(), "openapi.yaml has no schema {name}");
    schema
}

#[test]
fn every_example_is_what_its_schema_says() {
    let description = Description::read();
    let mut checked = 0;
    let mut visit = vec![&description.0];
    while let Some(value) = visit.pop() {
        match value {
            Value::Object(members) => {
                visit.extend(members.values());
                let named = members.get("examples").and_then(Value::as_object).into_iter().flatten();
                let named = named.map(|(name, example)| (name.as_str(), &description.resolve(example)["value"]));
                let single = members.get("example").map(|example| ("example", example));
                let Some(schema) = members.get("schema") else { continue };
                for (name, example) in named.chain(single) {
                    assert!(!example.is_null(), "the example {name} has no value");
                    description.hold_value(schema, example, &|| format!("the example {name}: {example:#}"));
                    checked += 1;
                }
            }
            Value::Array(values) => visit.extend(values),
            _ => {}
        }
    }
    assert!(checked > 25, "only {checked} examples were found");
}

/// Goes through the description, but for its examples.
fn visit(value: &'static Value, see: &mut dyn FnMut(&'static Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            see(members);
            let described = members.iter().filter(|(name, _)| !matches!(name.as_str(), "example" | "examples"));
            described.for_each(|(_, member)| visit(member, see));
        }
        Value::Array(values) => values.iter().for_each(|value| visit(value, see)),
        _ => {}
    }
}

/// Within braces, YAML takes the rest of an unquoted text behind a comma for another member, of no value.
#[test]
fn no_description_has_lost_what_follows_its_comma() {
    visit(&Description::read().0, &mut |members| {
        let lost: Vec<_> = members.iter().filter(|(_, value)| value.is_null()).collect();
        assert!(lost.is_empty(), "a comma before {lost:?} is not in quotes");
    });
}

/// Generators of clients go by `type`, and make a text of what has none, or refuse it.
#[test]
fn every_parameter_header_and_choice_of_values_says_its_type() {
    let description = Description::read();
    let typed = |schema: &Value| description.resolve(schema)["type"].is_string();
    let mut seen = 0;
    visit(&description.0, &mut |members| {
        if members.get("enum").is_some_and(Value::is_array)
            || members.get("const").is_some_and(|value| !value.is_object())
        {
            assert!(members.contains_key("type"), "{members:#?}");
            seen += 1;
        }
        let headers = members.get("headers").and_then(Value::as_object).into_iter().flatten().map(|(_, header)| header);
        let parameters = members.get("parameters").and_then(Value::as_array).into_iter().flatten();
        for described in headers.chain(parameters) {
            assert!(typed(&description.resolve(described)["schema"]), "{described:#}");
            seen += 1;
        }
    });
    assert!(seen > 50, "only {seen} were found");
}

/// Clients in Java, Python and TypeScript have a type for each schema.
#[test]
fn no_schema_is_called_as_a_type_that_languages_have() {
    let taken = ["Any", "Array", "Date", "Dict", "Error", "Exception", "List", "Map", "Object", "Optional", "Request"];
    let taken = taken.into_iter().chain(["Response", "Set", "String", "Type", "Union"]).collect();
    let names = keys(&Description::read().0["components"]["schemas"]);
    assert_eq!(names.intersection(&taken).collect::<Vec<_>>(), [] as [&&str; 0]);
}

#[test]
fn lists_are_asked_by_the_names_that_collections_have_for_owner_and_state() {
    let parameters = Description::read().0["paths"]["/{collection}"]["get"]["parameters"].as_array();
    let named = parameters.into_iter().flatten().filter_map(|parameter| parameter["name"].as_str());
    let described: BTreeSet<_> = named.filter(|name| !["limit", "cursor"].contains(name)).collect();
    let read_models = catalog::CONTEXTS.iter().flat_map(kernel::context::Context::read_models);
    let served =
        read_models.map(kernel::context::ReadModel::filters).flat_map(|filters| [filters.owner, filters.state]);
    assert_eq!(described, served.collect());
}

#[test]
fn every_reference_leads_somewhere() {
    let description = Description::read();
    let mut visit = vec![&description.0];
    while let Some(value) = visit.pop() {
        description.resolve(value);
        match value {
            Value::Object(members) => visit.extend(members.values()),
            Value::Array(values) => visit.extend(values),
            _ => {}
        }
    }
}

/// The schema's members are the type's, and those that it requires are there even in the barest value.
#[track_caller]
fn assert_describes(name: &str, fullest: &impl Serialize, barest: &impl Serialize) {
    let (fullest, barest) = (json!(fullest), json!(barest));
    let schema = schema(name);
    assert_eq!(keys(&schema["properties"]), keys(&fullest), "{name}");
    let required: BTreeSet<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(required, keys(&barest), "{name}");
    for value in [&fullest, &barest] {
        Description::read().hold_value(schema, value, &|| format!("{value:#}"));
    }
}

#[test]
fn operations_and_problems_are_described_as_they_are_serialised() {
    let complaint = Complaint {
        pointer: Some("/lines/0".into()),
        index: Some(0),
        ty: Some("urn:waybill:problem:invalid-data".into()),
        attribute: Some("data".into()),
        detail: "too few".into(),
    };
    let bare_complaint = Complaint { pointer: None, index: None, ty: None, attribute: None, detail: String::new() };
    assert_describes("Complaint", &complaint, &bare_complaint);

    let bare_problem = Problem::not_found("nothing");
    let problem = Problem::invalid_data("too few").about("data").listing(vec![complaint]);
    assert_describes("Problem", &problem, &bare_problem);

    let resource = Resource { href: "https://api.example/orders/O-1?version=1".into(), version: 1 };
    assert_describes("Resource", &resource, &resource);

    let principal = Principal::read("user:alice");
    assert_describes("Principal", &principal, &principal);
    for kind in [PrincipalKind::User, PrincipalKind::ServiceAccount, PrincipalKind::System, PrincipalKind::Unknown] {
        let principal = Principal { kind, ..principal.clone() };
        Description::read().hold_value(schema("Principal"), &json!(principal), &|| principal.to_string());
    }

    let bare = Operation::accepted("A".repeat(74), Timestamp::from_millis(0));
    let mut operation = bare.clone();
    operation.finished_at = Some(Timestamp::from_millis(1000));
    operation.ty = Some("SubmitOrder".into());
    operation.subject = Some("O-1".into());
    operation.principal = Some(principal.clone());
    operation.revision = 2;
    operation.repaired = true;
    operation.resource = Some(resource);
    operation.attempt = Some(1);
    operation.error = Some(problem);
    assert_describes("Operation", &operation, &bare);
}

#[test]
fn every_status_is_described() {
    let all =
        [Status::Accepted, Status::Retrying, Status::Succeeded, Status::Rejected, Status::Parked, Status::Discarded];
    assert_eq!(schema("Status")["enum"], json!(all));
    let description = schema("Status")["description"].as_str().expect("a description");
    for status in all {
        assert!(description.contains(&format!("- `{}`:", status.as_str())), "{description}");
    }
}

#[test]
fn the_kinds_of_problems_are_those_of_the_code() {
    let kinds: Vec<_> = Problem::KINDS.iter().map(|(ty, ..)| *ty).collect();
    assert_eq!(schema("ProblemKind")["enum"], json!(kinds));
}

#[test]
fn a_business_refusal_is_a_type_of_problem_too() {
    let rejection = kernel::decider::Rejection::new("already-shipped", "The order is on its way");
    let problem = Problem::rejected("orders", rejection.reason, &rejection.detail);
    Description::read().hold_value(schema("Problem"), &json!(problem), &|| problem.to_json());
}

#[test]
fn the_documentation_lists_every_kind_of_problem_and_no_other() {
    let listed: Vec<_> = PROBLEMS.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let kinds: Vec<_> = Problem::KINDS
        .iter()
        .map(|(ty, status, title)| {
            let kind = ty.strip_prefix("urn:waybill:problem:").expect("the prefix");
            assert!(
                PROBLEMS.contains(&format!("## {kind}\n\n**{status}** {title}.\n\n")),
                "docs/problems.md on {kind}"
            );
            kind
        })
        .collect();
    assert_eq!(listed[..kinds.len()], kinds[..]);
    assert_eq!(listed[kinds.len()..], ["Business refusals", "Answers of the gateway"]);
}

#[test]
fn the_scopes_are_those_that_the_template_asks_for() {
    let template = include_str!("../../template.yaml");
    let scheme = &Description::read().0["components"]["securitySchemes"]["accessToken"];
    let scopes = keys(&scheme["flows"]["clientCredentials"]["scopes"]);
    assert_eq!(scopes, BTreeSet::from(["waybill/operate", "waybill/read", "waybill/submit"]));
    assert!(template.contains("Scopes: [waybill/submit]"));
    assert!(template.contains("Scopes: [waybill/operate]"));
    assert!(template.contains("Scopes: [waybill/read, waybill/submit, waybill/operate]"));
}
