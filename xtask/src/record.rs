//! Samples of what a release writes, for those after it to read.

use anyhow::Result;

use crate::processes;
use crate::workspace::{Workspace, cargo};

pub fn record_release(workspace: &Workspace) -> Result<()> {
    let mut test = cargo();
    test.current_dir(&workspace.root)
        .args(["test", "--quiet", "--workspace", "--test", "recorded", "--"])
        .args(["--exact", "this_build_can_be_recorded_and_reads_what_it_writes"])
        .env("RECORD_RELEASE", "1");
    processes::show(&mut test)?;
    println!("Recorded this build in events/recorded. Commit it if this is the release that has been deployed.");
    Ok(())
}
