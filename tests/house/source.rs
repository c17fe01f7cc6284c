//! What the product's source names: no part of the system where it is to be pure, and no circle between its modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree};

use crate::{Room, metadata, room, ships};

/// A module, by its names from the root of its crate; the root itself is empty.
type Module = Vec<String>;

/// Paths that a file names, as written: `["crate", "group", "Group"]`. What is for tests only does not count.
#[derive(Default)]
struct Named(BTreeSet<Vec<String>>);

impl Named {
    fn add_use(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &dyn ToString| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree),
            UseTree::Name(name) => _ = self.0.insert(with(&name.ident)),
            UseTree::Rename(rename) => _ = self.0.insert(with(&rename.ident)),
            UseTree::Glob(_) => _ = self.0.insert(before.to_vec()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(before, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            _ => &[],
        };
        let is_test = |it: &Attribute| {
            it.path().is_ident("cfg") && it.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
        };
        if !attributes.iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_use(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

/// The modules of a package, each with the paths it names.
fn modules(package: &Path) -> BTreeMap<Module, Named> {
    let root = package.join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&root).expect("it is below").with_extension("");
            let mut module: Module = below.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            if matches!(module.last().map(String::as_str), Some("lib" | "main" | "mod")) {
                module.pop();
            }
            if module.iter().any(|name| name == "tests") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let named: &mut Named = found.entry(module).or_default();
            named.visit_file(&file);
        }
    }
    found
}

/// The module that a path of `here` leads to, if it is one of the crate's own.
fn leads_to(path: &[String], here: &Module, modules: &BTreeMap<Module, Named>) -> Option<Module> {
    let mut at = here.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (at, rest) = (Module::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while let Some(("super", after)) = rest.split_first().map(|(first, after)| (first.as_str(), after)) {
                (_, rest) = (at.pop(), after);
            }
        }
        _ => _ = modules.get(&[here.as_slice(), &path[..1]].concat())?,
    }
    for name in rest {
        at.push(name.clone());
        if !modules.contains_key(&at) {
            at.pop();
            break;
        }
    }
    Some(at)
}

/// A walk from a module back to itself, along those it names; each step is to another module beside it, for a module and
/// the one it is in may know each other.
fn circle(modules: &BTreeMap<Module, Named>) -> Option<Vec<Module>> {
    let mut knows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (here, named) in modules {
        for there in named.0.iter().filter_map(|path| leads_to(path, here, modules)) {
            let shared = here.iter().zip(&there).take_while(|(one, other)| one == other).count();
            if here.len() > shared && there.len() > shared {
                knows.entry(here[..=shared].to_vec()).or_default().insert(there[..=shared].to_vec());
            }
        }
    }
    knows.keys().find_map(|start| {
        let mut walks = vec![vec![start.clone()]];
        let mut seen = BTreeSet::new();
        while let Some(walk) = walks.pop() {
            for next in knows.get(walk.last()?).into_iter().flatten() {
                let further = [walk.as_slice(), std::slice::from_ref(next)].concat();
                if next == start {
                    return Some(further);
                }
                if seen.insert(next) {
                    walks.push(further);
                }
            }
        }
        None
    })
}

/// The packages of these rooms, each with its name and its modules.
fn packages(of: impl Fn(Room) -> bool) -> Vec<(String, BTreeMap<Module, Named>)> {
    let metadata = metadata();
    let root = metadata.workspace_root.as_str();
    let packages = metadata.workspace_packages().into_iter().filter(|package| of(room(package, root)));
    let read = packages.map(|package| {
        let folder = package.manifest_path.parent().expect("a folder");
        (package.name.to_string(), modules(folder.as_std_path()))
    });
    read.collect()
}

#[test]
fn kernel_contexts_and_catalog_touch_no_file_no_environment_and_no_network() {
    let pure = packages(|room| matches!(room, Room::Kernel | Room::Context | Room::Catalog));
    assert!(pure.len() >= 4, "kernel, two contexts and the catalog were expected");
    for (package, modules) in pure {
        for (module, named) in modules {
            let impure = |path: &&Vec<String>| {
                let [first, second, ..] = &path[..] else { return false };
                first == "std" && ["fs", "env", "net", "process"].contains(&second.as_str())
            };
            let found: Vec<_> = named.0.iter().filter(impure).map(|path| path.join("::")).collect();
            assert!(found.is_empty(), "{package}, {}: {found:?}", module.join("::"));
        }
    }
}

#[test]
fn no_modules_of_the_product_know_each_other_in_a_circle() {
    let product = packages(ships);
    assert!(product.len() >= 15, "{} packages", product.len());
    for (package, modules) in product {
        let circle = circle(&modules);
        assert!(circle.is_none(), "{package}: {circle:?}");
    }
}

#[test]
fn a_circle_is_found_and_a_way_down_is_none() {
    let read = |files: &[(&str, &str)]| {
        let module = |(module, text): &(&str, &str)| {
            let mut named = Named::default();
            named.visit_file(&syn::parse_str(text).expect("Rust"));
            (module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect::<Module>(), named)
        };
        circle(&files.iter().map(module).collect())
    };
    let down = "use crate::b::{self, B}; fn f() { super::b::g() }";
    assert_eq!(
        read(&[("", "mod a; pub use a::A;"), ("a", down), ("b", "use crate::Root;"), ("b::c", "use super::B;")]),
        None
    );
    assert_eq!(read(&[("a", down), ("b", "#[cfg(test)] mod tests { use crate::a::A; }")]), None);
    for up in ["use crate::a::A;", "fn f() { crate::a::g() }", "use crate::{a, d};", "use super::a::*;"] {
        assert!(read(&[("", ""), ("a", down), ("b", up), ("d", "")]).is_some(), "{up}");
    }
    assert!(read(&[("a", "use crate::b::c::C;"), ("b", ""), ("b::c", "use crate::a::A;")]).is_some());
}
