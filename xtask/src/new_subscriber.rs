//! A new subscriber that works from the start: its function, and the lines that deploy it. What it does with events is a
//! beginning, to be replaced.

mod names;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

pub use self::names::parse;
use crate::processes;
use crate::sam::TEMPLATES;
use crate::scaffold::{Words, edit, edited, file_name, folders, is_package, make, read};
use crate::workspace::cargo;

/// What a subscriber consists of: where it goes and its text, both with its [`Words`] to be filled in.
const FILES: &[(&str, &str)] = &[
    ("functions/__name__/Cargo.toml", include_str!("../templates/subscriber/package.toml")),
    ("functions/__name__/src/lib.rs", include_str!("../templates/subscriber/src/lib.rs")),
    ("functions/__name__/src/main.rs", include_str!("../templates/subscriber/src/main.rs")),
    ("functions/__name__/tests/handling.rs", include_str!("../templates/subscriber/tests/handling.rs")),
];

/// Where code knows all subscribers.
const QUEUES: &str = "shared/messaging/src/queues.rs";

/// Its rows in the tables of [`TEMPLATES`].
const ROWS: [&str; 2] = [
    "    __Name__: { Name: __name__, Function: __name__, Table: EventsTable, Rights: [dynamodb:Query] }",
    "    __Name__: { Name: __name__, Function: __name__, DeadLetters: __crate__, Undelivered: __crate___subscription }",
];

pub fn new_subscriber(root: &Path, name: &str) -> Result<()> {
    let names = parse(name)?;
    check_free(root, &names)?;
    // Whatever can fail for its content comes before the first write.
    let edits = entries(root, &names)?;
    make(root, FILES, |text| names.fill_in(text), edits)?;
    // The order of imports and the width of lines depend on the name.
    processes::show(cargo().current_dir(root).args(["fmt", "--package", name]))?;
    println!(
        "Made functions/{name}, and entered it in shared/messaging, template.yaml and observability.yaml.\n\n  \
         cargo nextest run -p {name}\n      \
         runs its tests\n\n\
         Its row in template.yaml says which events it gets (Types: [OrderSubmitted]), and which table it may use."
    );
    Ok(())
}

/// No package, context, resource or alarm is called so yet.
fn check_free(root: &Path, names: &Words) -> Result<()> {
    let name = &names.name;
    let [template, observability] = TEMPLATES.map(|file| read(&root.join(file)));
    let observability = observability?;
    for context in folders(&root.join("shared/contexts"))?.iter().map(|folder| file_name(folder)) {
        let of_context = |rest: &str| observability.contains(&format!("${{Installation}}-${{Context}}-{rest}\""));
        let taken = name.strip_prefix(&context).is_some_and(|rest| match rest.strip_prefix('-') {
            Some(rest) => of_context(rest),
            None => rest.is_empty(),
        });
        if taken {
            bail!("an alarm of the context {context} is called {name}; the subscriber needs another name");
        }
    }
    // All its resources begin with its name.
    let id = format!("\n  {}", names.id);
    let of_another = |text: &str| {
        text.split(&id).skip(1).any(|rest| rest.starts_with(|next: char| next.is_ascii_uppercase() || next == ':'))
    };
    if of_another(&template?) || of_another(&observability) {
        bail!("the templates have resources whose names begin with {}; the subscriber needs another name", names.id);
    }
    // So have those of the others, which are in loops.
    let queues = read(&root.join(QUEUES))?;
    let of_line = |line: &str| line.strip_prefix("    Subscriber { name: \"")?.split('"').next().map(str::to_owned);
    for other in queues.lines().filter_map(of_line) {
        if *name == other {
            bail!("there is a subscriber {name} already");
        }
        if name.starts_with(&format!("{other}-")) || other.starts_with(&format!("{name}-")) {
            bail!("resources of the subscriber {other} are called {name}-…; the subscriber needs another name");
        }
    }
    if root.join("functions").join(name).exists() {
        bail!("there is a function {name} already");
    }
    if is_package(root, name)? {
        bail!("{name} is a package that this workspace has or uses; the subscriber needs another name");
    }
    Ok(())
}

/// The files that know of every subscriber, with this one entered.
pub fn entries(root: &Path, names: &Words) -> Result<Vec<(PathBuf, String)>> {
    let (name, [template, observability]) = (&names.name, TEMPLATES);
    let [row, watched] = ROWS.map(|row| names.fill_in(row));
    Ok(vec![
        edited(root, QUEUES, name, |text| {
            let line = format!("    Subscriber {{ name: {name:?}, function: {name:?} }},");
            edit::insert(text, "pub const SUBSCRIBERS", "];", &line)
        })?,
        edited(root, template, name, |text| entered(text, names, &row))?,
        edited(root, observability, name, |text| entered(text, names, &watched))?,
    ])
}

/// A template with a row for the subscriber, and its word in the loops.
fn entered(text: &str, names: &Words, row: &str) -> Option<String> {
    edit::insert_word(&edit::insert(text, "  Subscribers:", "", row)?, "Subscriber", &names.id)
}
