//! Checks of what is no code: schemas, dependencies, the API's description, and the template, of its form, as two tools each
//! see it, and of what the deployed roles may do.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::local_stack::{LocalStack, in_local_aws};
use crate::new_subscriber::{Names, entries};
use crate::sam::{TEMPLATES, deployed};
use crate::steps::{Checks, step};
use crate::tools::{DENY, Environment, NodePackages, from_cargo};
use crate::workspace::Workspace;
use crate::{compatibility, functions, processes};

pub fn lint(workspace: &Workspace) -> Result<()> {
    let mut checks = Checks::default();
    checks.check("schemas, with those of the release before", || compatibility::check(&workspace.root));
    checks.check("dependencies", || dependencies(workspace));
    checks.check("openapi.yaml, as Redocly and Spectral", || openapi(workspace));
    checks.check("template, as CloudFormation", || cloudformation(workspace));
    checks.check("template, as SAM", || sam(workspace));
    checks.check("templates within AWS's limits", || limits(workspace));
    checks.check("templates with a subscriber more", || subscriber(workspace));
    checks.check("rights of the roles", || {
        let stack = LocalStack::start(workspace, &functions::placeholders(workspace)?, None)?;
        rights(workspace, &stack)
    });
    checks
        .check("sam build, package and deploy", || deployed(workspace, &functions::placeholders(workspace)?).map(drop));
    checks.summary()
}

/// Their licences, where they come from, and that none is among them that we do without: `deny.toml`. Advisories are in a
/// database that not everybody can reach, so they are left to those who can.
pub fn dependencies(workspace: &Workspace) -> Result<()> {
    let mut deny = Command::new(from_cargo(workspace, DENY)?);
    deny.args(["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    processes::show(deny.current_dir(&workspace.root))
}

/// Each by its own rules: `redocly.yaml` and `.spectral.yaml`.
pub fn openapi(workspace: &Workspace) -> Result<()> {
    let node = step("install the linters", || NodePackages::of(workspace))?;
    processes::show(node.command("redocly").args(["lint", "openapi.yaml"]).current_dir(&workspace.root))?;
    let warnings_too = ["lint", "openapi.yaml", "--fail-severity", "hint"];
    processes::show(node.command("spectral").args(warnings_too).current_dir(&workspace.root))
}

pub fn cloudformation(workspace: &Workspace) -> Result<()> {
    let tools = step("install the linters", || Environment::of(workspace, "lint"))?;
    processes::show(tools.command("cfn-lint").args(TEMPLATES.map(|file| workspace.root.join(file))))
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
pub fn limits(workspace: &Workspace) -> Result<()> {
    let tools = step("install SAM", || Environment::of(workspace, "sam"))?;
    let mut limits = tools.command("python");
    in_local_aws(&mut limits).arg(workspace.root.join("xtask/sam/limits.py")).arg("--templates").arg(&workspace.root);
    processes::show(&mut limits)
}

/// That all around a new subscriber's function is unrolled from its entry.
pub fn subscriber(workspace: &Workspace) -> Result<()> {
    let tools = step("install SAM", || Environment::of(workspace, "sam"))?;
    let folder = workspace.local_stack().join("subscriber");
    fs::create_dir_all(&folder)?;
    let names = Names::parse("another-one")?;
    for (path, text) in entries(&workspace.root, &names)? {
        fs::write(folder.join(path.file_name().unwrap_or_default()), text)?;
    }
    let mut expanded = tools.command("python");
    in_local_aws(&mut expanded).arg(workspace.root.join("xtask/sam/subscriber.py")).arg("--templates").arg(&folder);
    processes::show(expanded.args(["--id", &names.id, "--name", &names.name]))?;
    let tools = step("install the linters", || Environment::of(workspace, "lint"))?;
    processes::show(tools.command("cfn-lint").args(TEMPLATES.map(|file| folder.join(file))))
}

pub fn sam(workspace: &Workspace) -> Result<()> {
    let tools = step("install SAM", || Environment::of(workspace, "sam"))?;
    let mut sam = tools.command("sam");
    // samconfig.toml adds the linter and the language extensions.
    sam.args(["validate", "--region", "us-east-1"]).env("SAM_CLI_TELEMETRY", "0").current_dir(&workspace.root);
    processes::show(&mut sam)
}
