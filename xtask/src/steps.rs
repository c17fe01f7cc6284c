//! Progress: one line per step, with its duration, and a summary of checks.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, Error, Result, bail};

use crate::processes::{self, tail};

/// How much of a failure's reason the summary repeats, from its end. A program's own last lines mostly say what is wrong.
const REASON_LINES: usize = 15;
const REASON_CHARS: usize = 3_000;

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
    failures: Vec<Failure>,
}

struct Failure {
    check: String,
    reason: String,
}

impl Checks {
    /// Those that were made beside these.
    pub fn add(&mut self, beside: Self) {
        self.lines.extend(beside.lines);
        self.failures.extend(beside.failures);
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
                let reason = told(&error);
                eprintln!("{reason}");
                self.failures.push(Failure { check: name.to_owned(), reason });
                None
            }
        }
    }

    pub fn skip(&mut self, name: &str, reason: &str) {
        self.lines.push(format!("{name:.<44} skipped: {reason}"));
    }

    /// Prints what was checked and with which result.
    pub fn summary(self) -> Result<()> {
        println!("\n{}", self.told());
        match self.failures.len() {
            0 => Ok(()),
            failed => bail!("{failed} of {} checks failed", self.lines.len()),
        }
    }

    /// The list, then the end of each failure's reason: what is far above may be cut from a log.
    fn told(&self) -> String {
        let failures = self.failures.iter().map(|Failure { check, reason }| {
            format!("\n\n== {check} failed:\n{}", last_chars(&tail(reason, REASON_LINES), REASON_CHARS))
        });
        self.lines.join("\n") + &failures.collect::<String>()
    }
}

fn last_chars(text: &str, most: usize) -> String {
    match text.char_indices().rev().nth(most - 1) {
        Some((start, _)) if start > 0 => format!("…{}", &text[start..]),
        _ => text.to_owned(),
    }
}

/// An error and what it comes from, a line each: the last may well be a program's output.
pub fn told(error: &Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn verdict(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn the_summary_repeats_the_end_of_each_reason() {
        let output = (1..=40).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n");
        let mut checks = Checks::default();
        checks.check("first", || Ok(()));
        checks.check("second", || Err::<(), _>(anyhow!("sam ended with 1").context(output)));
        let mut beside = Checks::default();
        beside.check_beside("third", || Err(anyhow!("é".repeat(REASON_CHARS + 1))));
        checks.add(beside);

        let told = checks.told();
        let (list, reasons) = told.split_once("\n\n").expect("reasons follow the list");
        assert_eq!(list.lines().count(), 3, "{told}");
        let (second, third) = reasons.split_once("\n\n== third failed:\n").expect("a reason for each failure");
        let lines: Vec<_> = second.lines().collect();
        assert_eq!((lines[0], lines[1], lines[15]), ("== second failed:", "line 27", "sam ended with 1"), "{told}");
        assert_eq!(third, format!("…{}", "é".repeat(REASON_CHARS)));
        let error = checks.summary().expect_err("two have failed");
        assert_eq!(error.to_string(), "2 of 3 checks failed");
    }

    #[test]
    fn a_summary_without_a_failure_is_the_list_alone() {
        let mut checks = Checks::default();
        checks.check("first", || Ok(()));
        checks.skip("second", "no need");
        assert_eq!(checks.told().lines().count(), 2);
        checks.summary().expect("nothing has failed");
    }
}
