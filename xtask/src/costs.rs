//! What an installation costs: see `docs/costs.md`.

use anyhow::Result;

use crate::processes;
use crate::workspace::{Workspace, cargo};

/// Measures, and writes the tables into the page.
pub fn costs(workspace: &Workspace) -> Result<()> {
    let mut test = cargo();
    test.current_dir(&workspace.root)
        .args(["test", "--quiet", "--workspace", "--test", "costs", "--"])
        .args(["--exact", "the_page_says_what_is_measured_now", "--nocapture"])
        .env("UPDATE_COSTS", "1");
    processes::show(&mut test)
}
