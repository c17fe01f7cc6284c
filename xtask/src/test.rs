//! Everything there is to check before a change is good.

use std::process::Command;

use anyhow::Result;

use crate::functions::Beside;
use crate::local_stack::LocalStack;
use crate::steps::Checks;
use crate::workspace::{END_TO_END, Workspace, cargo};
use crate::{browser, functions, lint, processes, tools};

/// Tells the tests where the stack is described.
const STACK_VARIABLE: &str = "WAYBILL_STACK";

pub fn test(workspace: &Workspace, by_itself: bool, on_local_stack: bool) -> Result<()> {
    let mut checks = Checks::default();
    if by_itself {
        code(workspace, &mut checks);
    }
    if on_local_stack {
        checks.check("template, as CloudFormation", || lint::cloudformation(workspace));
        checks.check("template, as SAM", || lint::sam(workspace));
        end_to_end(workspace, &mut checks);
    }
    checks.summary()
}

fn code(workspace: &Workspace, checks: &mut Checks) {
    checks.check("format", || processes::show(in_root(workspace).args(["fmt", "--all", "--check"])));
    checks.check("clippy", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
        processes::show(in_root(workspace).args(clippy))
    });
    checks.check("tests", || processes::show(nextest(workspace)?.arg(format!("not binary(={END_TO_END})"))));
}

fn end_to_end(workspace: &Workspace, checks: &mut Checks) {
    const TESTS: &str = "end-to-end tests";
    const CONSOLE: &str = "operator console in a browser";
    const RIGHTS: &str = "rights of the roles";
    let stack = checks.check("deployment on the local stack", || {
        LocalStack::start(workspace, &functions::build(workspace, Beside::Tests)?, None)
    });
    let Some(stack) = stack else {
        checks.skip(RIGHTS, "nothing is deployed");
        checks.skip(TESTS, "nothing is deployed");
        checks.skip(CONSOLE, "nothing is deployed");
        return;
    };
    let with_last_words = |result: Result<()>| {
        if result.is_err() {
            eprintln!("\nThe local stack's last words:\n{}", stack.last_words());
        }
        result
    };
    checks.check(RIGHTS, || lint::rights(workspace, &stack));
    checks.check(TESTS, || {
        let mut tests = nextest(workspace)?;
        tests.arg(format!("binary(={END_TO_END})")).env(STACK_VARIABLE, &stack.description);
        with_last_words(processes::show(&mut tests))
    });
    checks.check(CONSOLE, || with_last_words(browser::console(workspace, &stack, STACK_VARIABLE)));
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
