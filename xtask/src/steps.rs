//! Progress: one line per step, with its duration, and a summary of checks.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, Error, Result, bail};

use crate::processes;

/// A step whose work is silent: one line, filled in when it is done.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    print!("{name:.<44} ");
    io::stdout().flush()?;
    let started = Instant::now();
    let result = work();
    println!("{} {:.1} s", verdict(result.is_ok()), started.elapsed().as_secs_f32());
    result.with_context(|| name.to_owned())
}

/// Checks that are all made, whatever became of the ones before.
#[derive(Default)]
pub struct Checks {
    lines: Vec<String>,
    failed: usize,
}

impl Checks {
    /// Those that were made beside these.
    pub fn add(&mut self, beside: Self) {
        self.lines.extend(beside.lines);
        self.failed += beside.failed;
    }

    /// A check whose output is shown as it comes.
    pub fn check<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        println!("\n== {name}");
        let started = Instant::now();
        self.note(name, started, work())
    }

    /// A check whose output is shown in one piece when it is over: others are made beside it.
    pub fn check_beside(&mut self, name: &str, work: impl FnOnce() -> Result<String>) {
        let started = Instant::now();
        let result = work();
        println!("\n== {name}\n{}", result.as_deref().unwrap_or_default());
        self.note(name, started, result);
    }

    fn note<T>(&mut self, name: &str, started: Instant, result: Result<T>) -> Option<T> {
        self.lines.push(format!("{name:.<44} {} {:.1} s", verdict(result.is_ok()), started.elapsed().as_secs_f32()));
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                processes::wait_if_stopping();
                eprintln!("{}", told(&error));
                self.failed += 1;
                None
            }
        }
    }

    pub fn skip(&mut self, name: &str, reason: &str) {
        self.lines.push(format!("{name:.<44} skipped: {reason}"));
    }

    /// Prints what was checked and with which result.
    pub fn summary(self) -> Result<()> {
        println!("\n{}", self.lines.join("\n"));
        match self.failed {
            0 => Ok(()),
            failed => bail!("{failed} of {} checks failed", self.lines.len()),
        }
    }
}

/// An error and what it comes from, a line each: the last may well be a program's output.
pub fn told(error: &Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn verdict(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}
