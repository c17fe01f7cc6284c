//! Everything there is to check before a change is good.

use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Result, ensure};
use clap::Args;

use crate::functions::Built;
use crate::local_stack::LocalStack;
use crate::running::{Attempt, Logs, attempt_at, environment_of, logs_of};
use crate::steps::Checks;
use crate::workspace::{END_TO_END, TESTS, Workspace, cargo};
use crate::{browser, clients, functions, fuzz, lint, processes, restore, sam, tools};

/// Tells the tests where the stack is described.
const STACK_VARIABLE: &str = "WAYBILL_STACK";

/// Tests that build a workspace of their own, which takes as long as many others together.
const SLOW: &str = "package(xtask)";

/// From a token to a read model.
const HAPPY_TEST: &str = "commands::a_command_goes_in_and_comes_out_as_a_read_model";

/// Which part is asked for; all, if none is.
#[derive(Args)]
pub struct Part {
    /// Only what needs no local stack: format, lints and all tests but the end-to-end ones
    #[arg(long)]
    unit: bool,
    /// Only the crates' own tests, without format and lints: for the time between two thoughts
    #[arg(long, conflicts_with = "unit")]
    fast: bool,
    /// Only what needs the local stack
    #[arg(long, conflicts_with_all = ["unit", "fast"])]
    end_to_end: bool,
}

pub fn test(workspace: &Workspace, part: &Part) -> Result<()> {
    if part.fast {
        return fast(workspace);
    }
    if !part.unit {
        // Missing, it would be missed after many minutes.
        tools::check_python()?;
    }
    let mut checks = Checks::default();
    thread::scope(|scope| {
        let beside = scope.spawn(|| beside_the_compiler(workspace, part));
        if !part.end_to_end {
            code(workspace, &mut checks);
        }
        // Its build takes longer than what is quick may.
        if !part.end_to_end && !part.unit {
            checks.check("fuzzing, a short run of each target", || fuzz::smoke(workspace, 100_000));
        }
        checks.add(beside.join().unwrap_or_else(|panic| resume_unwind(panic)));
    });
    if !part.unit {
        end_to_end(workspace, !part.end_to_end, &mut checks);
    }
    checks.summary()
}

/// Without the tests that go through many crates at once, or through millions of states: they take longer to build and to run
/// than all others together.
fn fast(workspace: &Workspace) -> Result<()> {
    let mut nextest = nextest(workspace)?;
    nextest.arg(format!("not ({SLOW})")).args(["--lib", "--bins"]);
    // Chosen by name and not by package, so that cargo builds the same as for all tests.
    let others = workspace.root.join(TESTS);
    for package in workspace.packages.iter().filter(|package| !package.folder.starts_with(&others)) {
        nextest.args(package.tests.iter().flat_map(|test| ["--test", test]));
    }
    processes::show(&mut nextest)
}

/// What mostly waits, for downloads or for one slow interpreter, so that it costs the compiler little.
fn beside_the_compiler(workspace: &Workspace, part: &Part) -> Checks {
    let mut checks = Checks::default();
    if !part.unit {
        tools::install_ahead(workspace);
        lint::files(workspace, &mut checks);
    }
    if !part.end_to_end {
        checks.check_beside(lint::DEPENDENCIES, || lint::dependencies(workspace));
        checks.check_beside("the TypeScript client", || clients::shipped(workspace));
    }
    checks
}

fn code(workspace: &Workspace, checks: &mut Checks) {
    checks.check("format", || processes::show(in_root(workspace).args(["fmt", "--all", "--check"])));
    checks.check("clippy", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
        processes::show(in_root(workspace).args(clippy))
    });
    checks.check("tests", || processes::show(nextest(workspace)?.arg(format!("not binary(={END_TO_END})"))));
}

/// `tested`: that all tests were built before.
fn end_to_end(workspace: &Workspace, tested: bool, checks: &mut Checks) {
    const STORIES: &str = "end-to-end tests";
    const BY_HAND: &str = "what `up` says to try";
    const LIVE: &str = "the TypeScript client, with push";
    const BROWSER: &str = "the TypeScript client, in a browser";
    const TYPESCRIPT: &str = "a client in TypeScript";
    const PYTHON: &str = "a client in Python";
    const PIPELINE: &str = "a pipeline in Python";
    const ANALYTICS: &str = "webhooks to analytics";
    const TWO: &str = "two installations";
    const WAREHOUSE: &str = "export to a data warehouse";
    const CONSOLE: &str = "operator console in a browser";
    const PAGES: &str = "dashboard and demo in a browser";
    const RIGHTS: &str = "rights of the roles";
    const HAPPY_PATH: &str = "the happy path on what SAM deployed";
    const RESTORE: &str = "the way back from a backup";
    let built = checks.check("functions", || {
        let Built { folder, compiled } = functions::build(workspace)?;
        ensure!(!tested || compiled.is_empty(), "compiled for the tests, and again for the functions: {compiled:?}");
        Ok(folder)
    });
    let Some(functions) = built else {
        for check in [
            RIGHTS, BY_HAND, STORIES, LIVE, BROWSER, TYPESCRIPT, PYTHON, PIPELINE, ANALYTICS, TWO, WAREHOUSE, CONSOLE,
            PAGES, HAPPY_PATH, RESTORE,
        ] {
            checks.skip(check, "there are no functions");
        }
        return;
    };
    match checks.check("sam build, package and deploy", || sam::deployed(workspace, &functions)) {
        Some(stack) => {
            checks.check(HAPPY_PATH, || {
                let mut test = nextest(workspace)?;
                test.arg(format!("binary(={END_TO_END}) and test(={HAPPY_TEST})"));
                with_last_words(&stack, processes::show(test.env(STACK_VARIABLE, &stack.description)))
            });
        }
        None => checks.skip(HAPPY_PATH, "nothing is deployed"),
    }
    checks.check(RESTORE, || restore::rehearse(workspace, &functions));
    let Some(stack) = checks.check("deployment on the local stack", || LocalStack::start(workspace, &functions, None))
    else {
        for check in [
            RIGHTS, BY_HAND, STORIES, LIVE, BROWSER, TYPESCRIPT, PYTHON, PIPELINE, ANALYTICS, TWO, WAREHOUSE, CONSOLE,
            PAGES,
        ] {
            checks.skip(check, "nothing is deployed");
        }
        return;
    };
    checks.check(RIGHTS, || lint::rights(workspace, &stack));
    checks.check(BY_HAND, || with_last_words(&stack, by_hand(workspace, &stack.description)));
    checks.check(STORIES, || {
        let mut tests = nextest(workspace)?;
        tests.arg(format!("binary(={END_TO_END})")).env(STACK_VARIABLE, &stack.description);
        with_last_words(&stack, processes::show(&mut tests))
    });
    checks.check(LIVE, || with_last_words(&stack, clients::live(workspace, &stack, STACK_VARIABLE)));
    checks.check(BROWSER, || with_last_words(&stack, clients::in_a_browser(workspace, &stack, STACK_VARIABLE)));
    checks.check(TYPESCRIPT, || with_last_words(&stack, clients::typescript(workspace, &stack, STACK_VARIABLE)));
    checks.check(PYTHON, || with_last_words(&stack, clients::python(workspace, &stack, STACK_VARIABLE)));
    checks.check(PIPELINE, || with_last_words(&stack, clients::pipeline(workspace, &stack, STACK_VARIABLE)));
    checks.check(ANALYTICS, || with_last_words(&stack, clients::analytics(workspace, &stack, STACK_VARIABLE)));
    checks.check(TWO, || {
        with_last_words(&stack, clients::two_installations(workspace, &stack, &functions, STACK_VARIABLE))
    });
    checks.check(WAREHOUSE, || with_last_words(&stack, clients::warehouse(workspace, &stack, STACK_VARIABLE)));
    checks.check(CONSOLE, || with_last_words(&stack, browser::console(workspace, &stack, STACK_VARIABLE)));
    checks.check(PAGES, || with_last_words(&stack, browser::pages(workspace, &stack, STACK_VARIABLE)));
}

/// `cargo xtask try`, then `logs` and `env`.
fn by_hand(workspace: &Workspace, stack: &Path) -> Result<()> {
    processes::show(&mut attempt_at(workspace, stack, Attempt::Order)?)?;
    let logs = processes::keep(&mut logs_of(workspace, stack, &Logs::default())?)?;
    ensure!(logs.contains("orders-command-handler: succeeded"), "the command is not in the logs:\n{logs}");
    let variables = processes::keep(&mut environment_of(workspace, stack, "ingest")?)?;
    ensure!(variables.contains("\nREGISTRY_TABLE="), "the table is not in the variables:\n{variables}");
    Ok(())
}

fn with_last_words(stack: &LocalStack, result: Result<()>) -> Result<()> {
    if result.is_err() {
        eprintln!("\nThe local stack's last words:\n{}", stack.last_words());
    }
    result
}

/// Lacks its last argument, the filter. All tests are built either way, so cargo builds them once: a choice of
/// packages would also choose their dependencies' features.
fn nextest(workspace: &Workspace) -> Result<Command> {
    let mut command = in_root(workspace);
    command.env("PATH", tools::path_to_nextest(workspace)?);
    command.args(["nextest", "run", "--workspace", "--no-fail-fast", "--filterset"]);
    Ok(command)
}

fn in_root(workspace: &Workspace) -> Command {
    let mut command = cargo();
    command.current_dir(&workspace.root);
    command
}
