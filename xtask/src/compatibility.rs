//! Whether JSON Schemas still go together with those of the release before, within one version of a message.
//!
//! A comparison of its own, of the keywords that our Rust types generate; what it cannot compare it names. (`jsoncompat`
//! sees no change of a format, stops at the first difference, and would switch on `serde_json`'s arbitrary precision for
//! everything that is built with it.)

mod narrowing;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::narrowing::{Narrowed, Unsaid, narrowed};

/// What a schema is of, which decides what may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whatever its senders could send must be accepted.
    Command,
    /// Whatever was stored must be readable. And the release before must be able to read what this one stores, for it may
    /// come back.
    Event,
}

/// Compares the schema of every version of a message that the release before could read with today's.
pub fn check(root: &Path) -> Result<()> {
    let recorded = root.join("events/recorded");
    let mut broken = Vec::new();
    let mut compared = 0;
    // Beside the contexts' folders there are samples that are of no context.
    for context in entries(&recorded)?.into_iter().filter(|folder| folder.join("schemas").is_dir()) {
        for (folder, kind) in [("commands", Kind::Command), ("events", Kind::Event)] {
            for before in entries(&context.join("schemas").join(folder))? {
                let name =
                    Path::new(context.file_name().unwrap_or_default()).join(before.file_name().unwrap_or_default());
                let today = root.join("events/schemas").join(&name);
                let faults = if today.is_file() {
                    faults(kind, &read(&before)?, &read(&today)?)
                } else {
                    vec!["the release before could read it: a version that was ever read must stay readable".to_owned()]
                };
                broken.extend(faults.into_iter().map(|fault| format!("events/schemas/{}: {fault}", name.display())));
                compared += 1;
            }
        }
    }
    if broken.is_empty() {
        println!("{compared} schemas go together with those of the release before");
        return Ok(());
    }
    bail!("{}\n\nLeave the version as it was, and make a new one: docs/contexts.md says how.", broken.join("\n"))
}

/// What is wrong with the change, a line each.
fn faults(kind: Kind, before: &Value, today: &Value) -> Vec<String> {
    let told = |consequence: &'static str| {
        move |Narrowed { pointer, what }: Narrowed| format!("{pointer}: {what}; {consequence}")
    };
    match kind {
        Kind::Command => {
            let refused = narrowed(before, today, Unsaid::MayBeSent);
            refused.into_iter().map(told("what its senders send is refused")).collect()
        }
        Kind::Event => {
            let unreadable = narrowed(before, today, Unsaid::IsNotWritten);
            let too_new = narrowed(today, before, Unsaid::IsNotWritten);
            let unreadable = unreadable.into_iter().map(told("what is stored cannot be read"));
            unreadable.chain(too_new.into_iter().map(told("the release before cannot read it"))).collect()
        }
    }
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}
