//! `clients/typescript/reasons.json`, which the client's types are made of: which commands clients may send, and why a context
//! may reject them, held against the code.
//!
//! `UPDATE_CLIENT=1 cargo nextest run -p tests --test house client` writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use kernel::context::Context;
use serde_json::{Value, json};
use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ItemMod, Lit};

/// Reasons in calls of `Rejection::new`, outside of tests.
#[derive(Default)]
struct Reasons(BTreeSet<String>);

impl<'ast> Visit<'ast> for Reasons {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func {
            let names: Vec<String> = function.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            if names.ends_with(&["Rejection".to_owned(), "new".to_owned()]) {
                let Some(Expr::Lit(literal)) = call.args.first() else { panic!("a reason is a literal: {names:?}") };
                let Lit::Str(reason) = &literal.lit else { panic!("a reason is text") };
                self.0.insert(reason.value());
            }
        }
        visit::visit_expr_call(self, call);
    }
}

impl Reasons {
    fn of(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                self.of(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                self.visit_file(&syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
            }
        }
    }
}

fn of_context(context: &Context) -> Value {
    let mut reasons = Reasons::default();
    reasons.of(Path::new(&format!("{}/../shared/contexts/{}/src", env!("CARGO_MANIFEST_DIR"), context.name)));
    let commands: BTreeSet<&str> = context.commands_of_clients().map(|command| command.name).collect();
    json!({ "commands": commands, "reasons": reasons.0 })
}

#[test]
fn the_client_knows_all_commands_and_reasons() {
    let path = format!("{}/../clients/typescript/reasons.json", env!("CARGO_MANIFEST_DIR"));
    let all: BTreeMap<&str, Value> =
        catalog::CONTEXTS.iter().map(|context| (context.name, of_context(context))).collect();
    let written = serde_json::to_string_pretty(&all).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_CLIENT").is_some() {
        fs::write(&path, &written).expect("written");
    }
    let there = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(
        there, written,
        "run UPDATE_CLIENT=1 cargo nextest run -p tests --test house client, then node clients/typescript/generate.mjs"
    );
}
