//! The way back from a backup, rehearsed on the local stack: as `docs/runbooks.md` tells it, with the tool that it names.

use std::path::Path;

use anyhow::Result;

use crate::local_stack::LocalStack;
use crate::processes;
use crate::workspace::Workspace;

/// On a stack of its own, for it loses its tables. `functions` is a folder with a `bootstrap` for each.
pub fn rehearse(workspace: &Workspace, functions: &Path) -> Result<()> {
    let stack = LocalStack::start(workspace, functions, None)?;
    let mut rehearsal = stack.script(workspace, "restore/rehearse.py")?;
    let rehearsed = processes::show(rehearsal.arg("--stack").arg(&stack.description));
    if rehearsed.is_err() {
        eprintln!("\nThe local stack's last words:\n{}", stack.last_words());
    }
    rehearsed
}
