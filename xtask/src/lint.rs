//! Checks of what is no code: schemas, dependencies, the APIs' descriptions, and the template, of its form, as two tools each
//! see it, and of what the deployed roles may do.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::local_stack::{LocalStack, in_local_aws};
use crate::new_subscriber::{entries, parse};
use crate::sam::{NESTED, TEMPLATES, deployed};
use crate::steps::{Checks, step};
use crate::tools::{DENY, Environment, NodePackages, from_cargo};
use crate::workspace::Workspace;
use crate::{compatibility, functions, processes};

pub const DEPENDENCIES: &str = "dependencies";

pub fn lint(workspace: &Workspace) -> Result<()> {
    let mut checks = Checks::default();
    checks.check("schemas, with those of the release before", || compatibility::check(&workspace.root));
    files(workspace, &mut checks);
    checks.check_beside(DEPENDENCIES, || dependencies(workspace));
    checks.check("rights of the roles", || {
        let stack = LocalStack::start(workspace, &functions::placeholders(workspace)?, None)?;
        rights(workspace, &stack)
    });
    checks
        .check("sam build, package and deploy", || deployed(workspace, &functions::placeholders(workspace)?).map(drop));
    checks.summary()
}

/// What is to be seen without building or deploying anything.
pub fn files(workspace: &Workspace, checks: &mut Checks) {
    checks.check_beside("openapi.yaml, as Redocly and Spectral", || openapi(workspace));
    checks.check_beside("asyncapi.yaml, by its own parser", || asyncapi(workspace));
    checks.check_beside("template, as CloudFormation", || cloudformation(workspace));
    checks.check_beside("template, as SAM", || sam(workspace));
    checks.check_beside("templates within AWS's limits", || limits(workspace));
    checks.check_beside("templates with a subscriber more", || subscriber(workspace));
    checks.check_beside("template, on the way to other indexes", || upgraded(workspace));
}

/// Their licences, where they come from, and that none is among them that we do without: `deny.toml`. Advisories are in a
/// database that not everybody can reach, so they are left to those who can.
pub fn dependencies(workspace: &Workspace) -> Result<String> {
    let mut deny = Command::new(from_cargo(workspace, DENY)?);
    deny.args(["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    processes::collect(deny.current_dir(&workspace.root))
}

/// Each by its own rules: `redocly.yaml` and `.spectral.yaml`.
fn openapi(workspace: &Workspace) -> Result<String> {
    let node = NodePackages::of(workspace)?;
    let redocly =
        processes::collect(node.command("redocly").args(["lint", "openapi.yaml"]).current_dir(&workspace.root))?;
    let warnings_too = ["lint", "openapi.yaml", "--fail-severity", "hint"];
    Ok(redocly + &processes::collect(node.command("spectral").args(warnings_too).current_dir(&workspace.root))?)
}

/// Whatever the parser says is an error. Each message has examples, and they match its schema.
fn asyncapi(workspace: &Workspace) -> Result<String> {
    let node = NodePackages::of(workspace)?;
    let mut check = Command::new("node");
    check.arg(workspace.root.join("xtask/asyncapi.mjs")).arg("--packages").arg(&node.modules);
    processes::collect(check.arg(workspace.root.join("asyncapi.yaml")))
}

fn cloudformation(workspace: &Workspace) -> Result<String> {
    let tools = Environment::of(workspace, "lint")?;
    let templates =
        TEMPLATES.into_iter().chain(NESTED).chain(["docs/subscription.yaml"]).map(|file| workspace.root.join(file));
    processes::collect(tools.command("cfn-lint").args(templates))
}

/// IAM's own rules, and no wildcards, on the roles as deployed: after the transforms.
pub fn rights(workspace: &Workspace, stack: &LocalStack) -> Result<()> {
    let tools = step("install the linters", || Environment::of(workspace, "lint"))?;
    let mut rights = tools.command("python");
    in_local_aws(&mut rights)
        // parliament warns of its own use of pkg_resources.
        .args(["-W", "ignore"])
        .arg(workspace.root.join("xtask/local_stack/rights.py"))
        .arg("--stack")
        .arg(&stack.description);
    processes::show(&mut rights)
}

/// That twenty contexts fit, in production and under a long name, and that the docs say how many do.
fn limits(workspace: &Workspace) -> Result<String> {
    let mut limits = Environment::of(workspace, "sam")?.command("python");
    in_local_aws(&mut limits).arg(workspace.root.join("xtask/sam/limits.py")).arg("--templates").arg(&workspace.root);
    processes::collect(&mut limits)
}

/// That each deployment on the way from a release whose lists had other indexes can be made, and that lists can be read.
fn upgraded(workspace: &Workspace) -> Result<String> {
    let mut upgraded = Environment::of(workspace, "sam")?.command("python");
    let template = workspace.root.join("template.yaml");
    in_local_aws(&mut upgraded).arg(workspace.root.join("xtask/sam/upgraded.py")).arg("--template").arg(template);
    processes::collect(&mut upgraded)
}

/// That all around a new subscriber's function is unrolled from its entry.
fn subscriber(workspace: &Workspace) -> Result<String> {
    let folder = workspace.local_stack().join("subscriber");
    fs::create_dir_all(&folder)?;
    let names = parse("another-one")?;
    for (path, text) in entries(&workspace.root, &names)? {
        fs::write(folder.join(path.file_name().unwrap_or_default()), text)?;
    }
    let mut expanded = Environment::of(workspace, "sam")?.command("python");
    in_local_aws(&mut expanded).arg(workspace.root.join("xtask/sam/subscriber.py")).arg("--templates").arg(&folder);
    let expanded = processes::collect(expanded.args(["--id", &names.id, "--name", &names.name]))?;
    let tools = Environment::of(workspace, "lint")?;
    let linted = processes::collect(tools.command("cfn-lint").args(TEMPLATES.map(|file| folder.join(file))))?;
    Ok(expanded + &linted)
}

fn sam(workspace: &Workspace) -> Result<String> {
    let mut sam = Environment::of(workspace, "sam")?.command("sam");
    // samconfig.toml adds the linter and the language extensions.
    sam.args(["validate", "--region", "us-east-1"]).env("SAM_CLI_TELEMETRY", "0").current_dir(&workspace.root);
    processes::collect(&mut sam)
}
