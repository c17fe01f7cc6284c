//! What there is to do around the code: run it here, test it, check its template.
//!
//! `cargo xtask` is an alias of this crate (`.cargo/config.toml`). Tools from Python's and Node.js's registries, and
//! cargo-nextest if it is missing, are installed on first use, in fixed versions, into the target folder; nothing is
//! installed outside of it but a browser, where there is none and the task runs as root.

mod bench;
mod browser;
mod clients;
mod compatibility;
mod costs;
mod functions;
mod fuzz;
mod lint;
mod local_stack;
mod mutants;
mod new_context;
mod new_overview;
mod new_subscriber;
mod processes;
mod record;
mod relay;
mod restore;
mod running;
mod sam;
mod sbom;
mod scaffold;
mod simulate;
mod steps;
mod test;
mod tools;
mod up;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Runs, tests and checks this workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the platform on this machine, with a demo tenant, until Ctrl-C
    Up {
        /// Port of the local stack on 127.0.0.1; any free one if not given
        #[arg(long, value_parser = local_stack::port)]
        port: Option<u16>,
    },
    /// Try what `up` has started, from another shell: a command, its operation, and what it made
    Try {
        #[arg(value_enum, default_value = "order")]
        attempt: running::Attempt,
    },
    /// Show what the functions of a running local stack have logged
    Logs(running::Logs),
    /// Print the variables that a function has on a running local stack
    Env {
        /// As in `ingest` or `orders-command-handler`
        function: String,
    },
    /// Check everything: format, lints, tests, template, then end to end on the local stack
    Test(test::Part),
    /// Send commands through the whole platform, in process and on virtual time, with everything going wrong
    Simulate(simulate::Size),
    /// Give parsers that strangers reach inputs that nobody has thought of
    Fuzz(fuzz::Fuzzing),
    /// Lose tables of a local stack, and bring back what they held, as docs/runbooks.md tells it
    RehearseRestore,
    /// Measure what a command and an idle installation cost, and write it into `docs/costs.md`
    Costs,
    /// Measure what the functions take beside peers, and write `docs/performance.md`; nothing else should run meanwhile
    Bench(bench::Measuring),
    /// Check schemas with those of the release before, dependencies, the API's description, the template, and the rights
    /// that its roles give
    Lint,
    /// Put small faults into the code, one at a time, and see which of them no test notices
    Mutants(mutants::Asked),
    /// Write what each function consists of into `target/sbom`, in CycloneDX's format
    Sbom,
    /// Make what this build writes the samples of the release before; for a release that has just been deployed
    RecordRelease,
    /// Make a bounded context that works, to be filled with your own rules
    NewContext {
        /// What it is called: lower-case letters, best a plural, as in `claims`
        name: String,
        /// A context whose events it turns into commands of its own
        #[arg(long, value_name = "CONTEXT")]
        listens: Option<String>,
    },
    /// Make a read model over several contexts that works, to be filled with your own
    NewOverview {
        /// What it is called, and the path that clients read it under: lower-case words with hyphens, best a plural
        name: String,
        /// The contexts whose events it is made of; `CONTEXT/TYPE` for a type of aggregate that is not the context's first
        #[arg(long, value_name = "CONTEXT", value_delimiter = ',', required = true)]
        of: Vec<String>,
        /// The member of events that says whose an aggregate is, as in `customer`; of several, each context has one
        #[arg(long, value_name = "MEMBER", value_delimiter = ',', required = true)]
        owner: Vec<String>,
    },
    /// Make a subscriber of the domain events that works, to be filled with your own
    NewSubscriber {
        /// What it is called: lower-case words with hyphens, as in `price-list`
        name: String,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            processes::wait_if_stopping();
            eprintln!("\nerror: {}", steps::told(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    processes::end_all_on_signal()?;
    let workspace = Workspace::find()?;
    match task {
        Task::Up { port } => up::up(&workspace, *port),
        Task::Try { attempt } => running::attempt(&workspace, *attempt),
        Task::Logs(asked) => running::logs(&workspace, asked),
        Task::Env { function } => running::environment(&workspace, function),
        Task::Test(part) => test::test(&workspace, part),
        Task::Simulate(size) => simulate::simulate(&workspace, size),
        Task::Fuzz(fuzzing) => fuzz::fuzz(&workspace, fuzzing),
        Task::RehearseRestore => {
            tools::check_python()?;
            println!("building the functions");
            restore::rehearse(&workspace, &functions::build(&workspace)?.folder)
        }
        Task::Costs => costs::costs(&workspace),
        Task::Bench(measuring) => bench::bench(&workspace, measuring),
        Task::Mutants(asked) => mutants::mutants(&workspace, asked),
        Task::Sbom => sbom::sbom(&workspace),
        Task::Lint => lint::lint(&workspace),
        Task::RecordRelease => record::record_release(&workspace),
        Task::NewContext { name, listens } => new_context::new_context(&workspace.root, name, listens.as_deref()),
        Task::NewOverview { name, of, owner } => new_overview::new_overview(&workspace.root, name, of, owner),
        Task::NewSubscriber { name } => new_subscriber::new_subscriber(&workspace.root, name),
    }
}
