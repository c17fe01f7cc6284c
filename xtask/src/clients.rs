//! Clients of the API at work on a deployed local stack: the one that we ship, and those that the usual generators make of
//! `openapi.yaml`.
//!
//! `tests/clients` has a program for each, which submits, follows and reads. And a consumer of a tenant's own queue, which
//! reports what became of commands; receivers of webhooks; and a warehouse that reads what is exported.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::local_stack::{LocalStack, in_local_aws};
use crate::steps::step;
use crate::tools::{Environment, NodePackages};
use crate::workspace::Workspace;
use crate::{browser, processes};

/// With `openapi-typescript` and `openapi-fetch`. `description` is the variable that tells where the stack is described.
pub fn typescript(workspace: &Workspace, stack: &LocalStack, description: &str) -> Result<()> {
    let node = step("install the generator", || NodePackages::of(workspace))?;
    let folder = empty_folder(workspace, "typescript")?;
    // Where Node.js and the compiler look for packages.
    symlink(&node.modules, folder.join("node_modules"))?;
    fs::write(folder.join("package.json"), r#"{ "type": "module" }"#)?;
    for file in ["round_trip.ts", "tsconfig.json"] {
        fs::copy(workspace.root.join("tests/clients/typescript").join(file), folder.join(file))?;
    }
    step("make the client", || {
        let mut generator = node.command("openapi-typescript");
        processes::keep(generator.arg(described(workspace)).arg("--output").arg(folder.join("api.ts")))
    })?;
    step("check its types", || processes::keep(node.command("tsc").arg("--project").arg(&folder)))?;
    let mut program = Command::new("node");
    at_work(in_local_aws(&mut program).arg(folder.join("made/round_trip.js")), stack, description)
}

/// The demo has the compiled client.
const DEMO: &str = "functions/pages/demo/waybill";
/// If set, the demo gets the client as it is now.
const UPDATE: &str = "UPDATE_CLIENT";

/// The client that we ship, without a stack: its types are those of the schemas, it compiles, the demo has it, and its tests
/// pass, of which one says how large it is.
pub fn shipped(workspace: &Workspace) -> Result<String> {
    let node = NodePackages::of(workspace)?;
    let folder = built(workspace, &node)?;
    let mut generator = Command::new("node");
    processes::collect(generator.arg(folder.join("generate.mjs")).arg("--check").arg(&workspace.root))?;
    processes::collect(node.command("tsc").arg("--project").arg(folder.join("test")))?;
    in_the_demo(&folder.join("dist"), &workspace.root.join(DEMO))?;
    let mut tests = Command::new("node");
    tests.args(["--test", "--test-reporter=spec"]).current_dir(&folder);
    for file in fs::read_dir(folder.join("made"))? {
        let file = file?.path();
        // Beside the tests is what they share.
        if file.file_stem().is_some_and(|name| Path::new(name).extension().is_some_and(|kind| kind == "test")) {
            tests.arg(file);
        }
    }
    processes::collect(&mut tests)
}

/// Holds the demo's copy against the compiled client, or renews it.
fn in_the_demo(compiled: &Path, copy: &Path) -> Result<()> {
    let (wanted, there) = (modules(compiled)?, modules(copy)?);
    if wanted == there {
        return Ok(());
    }
    ensure!(
        std::env::var_os(UPDATE).is_some(),
        "{DEMO} is not the client any more; {UPDATE}=1 cargo xtask test --unit renews it"
    );
    for name in there.keys() {
        fs::remove_file(copy.join(name))?;
    }
    for (name, text) in wanted {
        fs::write(copy.join(name), text)?;
    }
    Ok(())
}

/// The modules in a folder: their names and texts.
fn modules(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut modules = BTreeMap::new();
    for file in fs::read_dir(folder)? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "js") {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            modules.insert(name, fs::read_to_string(&file)?);
        }
    }
    Ok(modules)
}

/// The client that we ship, told of outcomes over a WebSocket.
pub fn live(workspace: &Workspace, stack: &LocalStack, description: &str) -> Result<()> {
    let node = step("install the compiler", || NodePackages::of(workspace))?;
    let folder = step("build the client", || built(workspace, &node))?;
    // Within the package, for the program to find the client by its name.
    let program = folder.join("live");
    copy_files(&workspace.root.join("tests/clients/live"), &program)?;
    step("check its types", || processes::keep(node.command("tsc").arg("--project").arg(&program)))?;
    let mut run = Command::new("node");
    in_local_aws(&mut run).arg(program.join("made/live.js")).env(description, &stack.description);
    step("submit, be told, be cut off, and read", || processes::keep(&mut run)).map(drop)
}

/// The same in a browser, from a page of another origin.
pub fn in_a_browser(workspace: &Workspace, stack: &LocalStack, description: &str) -> Result<()> {
    let tools = step("install the browser's driver", || Environment::of(workspace, "browser"))?;
    let browser = browser::installed()?;
    let node = step("install the compiler", || NodePackages::of(workspace))?;
    let client = step("build the client", || built(workspace, &node))?;
    let mut shop = tools.command("python");
    in_local_aws(&mut shop).env("HOME", client.join("home")).env(description, &stack.description).arg("-B");
    shop.arg(workspace.root.join("tests/clients/browser/shop.py")).arg("--browser").arg(browser);
    shop.arg("--client").arg(client.join("dist"));
    step("order, reload the page, and be cut off", || processes::keep(&mut shop)).map(drop)
}

/// `clients/typescript`, compiled, in a folder that can be published as it is.
fn built(workspace: &Workspace, node: &NodePackages) -> Result<PathBuf> {
    let folder = empty_folder(workspace, "waybill")?;
    let source = workspace.root.join("clients/typescript");
    for part in ["", "src", "test"] {
        copy_files(&source.join(part), &folder.join(part))?;
    }
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(workspace.root.join(licence), folder.join(licence))?;
    }
    symlink(&node.modules, folder.join("node_modules"))?;
    let compiler = || {
        let mut compiler = node.command("tsc");
        compiler.arg("--project").arg(&folder);
        compiler
    };
    processes::collect(&mut compiler())?;
    // Comments are for the types: the code is loaded by every page.
    let types = ["--declaration", "--emitDeclarationOnly", "--removeComments", "false", "--stripInternal"];
    processes::collect(compiler().args(types))?;
    Ok(folder)
}

/// Of the folder itself, and not of those in it.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for file in fs::read_dir(from)? {
        let file = file?;
        if file.file_type()?.is_file() {
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}

/// With `openapi-generator-cli`.
pub fn python(workspace: &Workspace, stack: &LocalStack, description: &str) -> Result<()> {
    let tools = step("install the generator", || Environment::of(workspace, "python-client"))?;
    let folder = empty_folder(workspace, "python")?;
    step("make the client", || {
        let mut generator = tools.command("openapi-generator-cli");
        generator.args(["generate", "--generator-name", "python", "--package-name", "waybill_client"]);
        processes::keep(generator.arg("--input-spec").arg(described(workspace)).arg("--output").arg(&folder))
    })?;
    let mut program = tools.command("python");
    in_local_aws(&mut program).env("PYTHONPATH", &folder);
    at_work(program.arg(workspace.root.join("tests/clients/python/round_trip.py")), stack, description)
}

/// The consumer of a tenant's own queue that `docs/pipelines.md` shows.
pub fn pipeline(workspace: &Workspace, stack: &LocalStack, description: &str) -> Result<()> {
    let tools = Environment::of(workspace, "local-stack")?;
    let mut program = tools.command("python");
    in_local_aws(&mut program).arg(workspace.root.join("tests/pipelines/pipeline.py"));
    step("submit, carry out and report", || processes::keep(program.env(description, &stack.description))).map(drop)
}

/// An analytics service that gets webhooks, and is down, slow and lies meanwhile.
pub fn analytics(workspace: &Workspace, stack: &LocalStack, description: &str) -> Result<()> {
    let mut program = webhooks(workspace, "analytics.py")?;
    program.env(description, &stack.description);
    step("orders flow, whatever analytics does", || processes::keep(&mut program)).map(drop)
}

/// Two installations that hear each other.
pub fn two_installations(workspace: &Workspace, stack: &LocalStack, functions: &Path, description: &str) -> Result<()> {
    let neighbour = stack.start_beside(workspace, functions)?;
    let mut program = webhooks(workspace, "two_installations.py")?;
    program.env(description, &stack.description).env("WAYBILL_NEIGHBOUR", &neighbour.description);
    let told = step("an order goes there, and its outcome comes back", || processes::keep(&mut program));
    if told.is_err() {
        eprintln!("\nThe other stack's last words:\n{}", neighbour.last_words());
    }
    told.map(drop)
}

/// The export of domain events, read with the views of `docs/warehouse.md`.
pub fn warehouse(workspace: &Workspace, stack: &LocalStack, description: &str) -> Result<()> {
    let tools = step("install a reader of what is exported", || Environment::of(workspace, "warehouse"))?;
    let mut program = tools.command("python");
    // What knows the API is with the webhooks.
    in_local_aws(&mut program).env("PYTHONPATH", workspace.root.join("tests/webhooks"));
    program.arg(workspace.root.join("tests/warehouse/export.py")).env(description, &stack.description);
    step("events are exported, and the views find what is wrong", || processes::keep(&mut program)).map(drop)
}

fn webhooks(workspace: &Workspace, script: &str) -> Result<Command> {
    let mut program = Environment::of(workspace, "local-stack")?.command("python");
    in_local_aws(&mut program).arg(workspace.root.join("tests/webhooks").join(script));
    Ok(program)
}

fn at_work(program: &mut Command, stack: &LocalStack, description: &str) -> Result<()> {
    step("submit, follow, read and list", || processes::keep(program.env(description, &stack.description))).map(drop)
}

fn described(workspace: &Workspace) -> PathBuf {
    workspace.root.join("openapi.yaml")
}

fn empty_folder(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("clients").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
