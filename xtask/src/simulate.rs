//! A simulation of the whole platform: see `docs/simulation.md`.

use anyhow::Result;
use clap::Args;

use crate::processes;
use crate::workspace::{Workspace, cargo};

#[derive(Args)]
pub struct Size {
    /// What everything is drawn from: the same seed is the same run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many commands are sent
    #[arg(long, default_value_t = 10_000)]
    commands: u64,
    /// Of a thousand calls to AWS, how many meet a fault
    #[arg(long, default_value_t = 30)]
    faults: u32,
    /// How often a queue hands a message out before it is a dead letter
    #[arg(long, default_value_t = 3)]
    receives: u32,
}

pub fn simulate(workspace: &Workspace, size: &Size) -> Result<()> {
    let Size { seed, commands, faults, receives } = size;
    let mut test = cargo();
    test.current_dir(&workspace.root)
        .args(["test", "--quiet", "--profile", "simulation", "--workspace", "--test", "simulation", "--"])
        .args(["--exact", "a_run_as_it_is_asked_for", "--nocapture"])
        .env("SIMULATION_SEED", seed.to_string())
        .env("SIMULATION_COMMANDS", commands.to_string())
        .env("SIMULATION_FAULTS", faults.to_string())
        .env("SIMULATION_RECEIVES", receives.to_string());
    processes::show(&mut test)
}
