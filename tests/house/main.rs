//! Who may know whom, as `docs/architecture.md` says, held against what cargo and the source say; and what the templates and
//! `openapi.yaml` repeat of the code.

mod asyncapi;
mod client;
mod components;
mod openapi;
mod routes;
mod source;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// A room of the house, by the folder that a package is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Kernel,
    Context,
    Catalog,
    Store,
    Messaging,
    Schemas,
    Spec,
    Lambda,
    Recovery,
    Subscriber,
    Timers,
    Trace,
    Walk,
    Admission,
    Function,
    Testkit,
    Bench,
    Fuzz,
    Outside,
}

fn room(package: &Package, root: &str) -> Room {
    let folder = package.manifest_path.as_str().trim_start_matches(root).trim_start_matches('/');
    match folder.split('/').collect::<Vec<_>>()[..] {
        ["shared", "kernel", ..] => Room::Kernel,
        ["shared", "contexts" | "overviews", ..] => Room::Context,
        ["shared", "catalog", ..] => Room::Catalog,
        ["shared", "store", ..] => Room::Store,
        ["shared", "messaging", ..] => Room::Messaging,
        ["shared", "schemas", ..] => Room::Schemas,
        ["shared", "spec", ..] => Room::Spec,
        ["shared", "lambda", ..] => Room::Lambda,
        ["shared", "recovery", ..] => Room::Recovery,
        ["shared", "subscriber", ..] => Room::Subscriber,
        ["shared", "timers", ..] => Room::Timers,
        ["shared", "trace", ..] => Room::Trace,
        ["shared", "walk", ..] => Room::Walk,
        ["shared", "admission", ..] => Room::Admission,
        ["shared", "testkit", ..] => Room::Testkit,
        ["shared", "bench", ..] => Room::Bench,
        ["functions", ..] => Room::Function,
        ["fuzz", ..] => Room::Fuzz,
        _ => Room::Outside,
    }
}

fn may_know(room: Room) -> &'static [Room] {
    match room {
        Room::Kernel | Room::Testkit => &[],
        Room::Context | Room::Store | Room::Messaging | Room::Spec => &[Room::Kernel],
        Room::Catalog => &[Room::Kernel, Room::Context],
        // The store, for tenants register schemas of their own.
        Room::Schemas => &[Room::Kernel, Room::Catalog, Room::Store],
        // Lambda knows the store, for callers' tenants are looked up in the registry.
        Room::Trace | Room::Lambda => &[Room::Kernel, Room::Store],
        Room::Recovery | Room::Timers => &[Room::Kernel, Room::Store, Room::Messaging, Room::Lambda],
        Room::Walk => &[Room::Kernel, Room::Store, Room::Lambda],
        Room::Admission => {
            &[Room::Kernel, Room::Catalog, Room::Store, Room::Messaging, Room::Schemas, Room::Lambda, Room::Timers]
        }
        Room::Subscriber => &[Room::Kernel, Room::Messaging, Room::Lambda, Room::Recovery],
        Room::Function => &[
            Room::Kernel,
            Room::Catalog,
            Room::Store,
            Room::Messaging,
            Room::Schemas,
            Room::Lambda,
            Room::Recovery,
            Room::Subscriber,
            Room::Timers,
            Room::Trace,
            Room::Walk,
            Room::Admission,
        ],
        // For tests: no room above may know it.
        Room::Bench => &[
            Room::Kernel,
            Room::Catalog,
            Room::Store,
            Room::Messaging,
            Room::Lambda,
            Room::Recovery,
            Room::Subscriber,
            Room::Function,
            Room::Testkit,
        ],
        Room::Fuzz => &[
            Room::Kernel,
            Room::Catalog,
            Room::Store,
            Room::Messaging,
            Room::Schemas,
            Room::Lambda,
            Room::Admission,
            Room::Function,
        ],
        // Among them the payment provider, which the local stack has beside it.
        Room::Outside => &[Room::Kernel, Room::Catalog, Room::Outside],
    }
}

/// All others are for tests, or for building.
fn ships(room: Room) -> bool {
    !matches!(room, Room::Spec | Room::Testkit | Room::Bench | Room::Fuzz | Room::Outside)
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    // Offline, so only what this machine has: other platforms' crates were never fetched.
    let options = ["--offline", "--locked", "--filter-platform", &host()].map(ToOwned::to_owned);
    command.other_options(options).exec().expect("cargo metadata answers")
}

/// The platform that the tests run on, as rustc calls it.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("-vV").output().expect("rustc answers");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").to_owned()
}

/// What ships of a package: its dependencies, without those of its tests.
fn shipped(package: &Package) -> impl Iterator<Item = &str> {
    package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal).map(|d| d.name.as_str())
}

#[test]
fn every_room_knows_only_those_it_may() {
    let metadata = metadata();
    let root = metadata.workspace_root.as_str();
    let rooms: BTreeMap<String, Room> =
        metadata.workspace_packages().iter().map(|package| (package.name.to_string(), room(package, root))).collect();
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let here = rooms[package.name.as_str()];
        for (name, there) in shipped(package).filter_map(|name| rooms.get_key_value(name)) {
            if !may_know(here).contains(there) {
                broken.push(format!("{} ({here:?}) knows {name} ({there:?})", package.name));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn only_store_messaging_lambda_and_recovery_name_aws_clients() {
    let metadata = metadata();
    let root = metadata.workspace_root.as_str();
    let allowed = [Room::Store, Room::Messaging, Room::Lambda, Room::Recovery, Room::Testkit];
    let broken: Vec<_> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| !allowed.contains(&room(package, root)))
        .flat_map(|package| shipped(package).map(move |name| (package.name.to_string(), name.to_owned())))
        .filter(|(_, name)| name.starts_with("aws-"))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn kernel_contexts_and_catalog_are_pure_through_and_through() {
    let metadata = metadata();
    let root = metadata.workspace_root.as_str();
    let resolve = metadata.resolve.as_ref().expect("cargo resolves");
    let pure = [Room::Kernel, Room::Context, Room::Catalog];
    let mut open: Vec<_> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| pure.contains(&room(package, root)))
        .map(|package| &package.id)
        .collect();
    assert!(open.len() >= 4, "kernel, two contexts and the catalog were expected");
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        let node = resolve.nodes.iter().find(|node| node.id == *id).expect("a node for each package");
        let normal =
            node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        open.extend(normal.map(|dep| &dep.pkg).filter(|pkg| reached.insert((*pkg).clone())));
    }
    let impure = ["tokio", "async-trait", "reqwest", "hyper", "lambda_runtime"];
    let broken: Vec<_> = reached
        .iter()
        .map(|id| metadata[id].name.to_string())
        .filter(|name| impure.contains(&name.as_str()) || name.starts_with("aws-") || name.starts_with("futures"))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Whatever else logs is held at `info`, for it may see payloads.
#[test]
fn the_crates_that_log_are_known_as_ours() {
    let metadata = metadata();
    let root = metadata.workspace_root.as_str();
    let packages = metadata.workspace_packages();
    let product = packages.iter().filter(|package| ships(room(package, root)));
    let logging = product.filter(|package| shipped(package).any(|name| name == "tracing"));
    let logging: BTreeSet<String> = logging.map(|package| package.name.replace('-', "_")).collect();
    assert_eq!(logging, lambda::telemetry::OURS.iter().map(ToString::to_string).collect());
}
