//! A new overview that works from the start: its crate, and the lines that make it known. What it shows is a beginning, to be
//! replaced.

mod source;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use self::source::Source;
use crate::processes;
use crate::scaffold::reserved_names::{CRATES, PATHS};
use crate::scaffold::{Words, context_of_collection, edit, edited, is_package, make};
use crate::workspace::cargo;

/// As of a context.
const MAX: usize = 30;

/// What an overview consists of, beside its [sources](source::FILE): where it goes and its text, both with its [`Words`] and its
/// sources to be filled in.
const FILES: &[(&str, &str)] = &[
    ("shared/overviews/__name__/Cargo.toml", include_str!("../templates/overview/package.toml")),
    ("shared/overviews/__name__/src/lib.rs", include_str!("../templates/overview/src/lib.rs")),
    ("shared/overviews/__name__/src/tests.rs", include_str!("../templates/overview/src/tests.rs")),
];

/// `of` are contexts, or `context/type`. Each has an event with one of the members `owners`, which says whose it is.
pub fn new_overview(root: &Path, name: &str, of: &[String], owners: &[String]) -> Result<()> {
    let names = parse(name)?;
    check_free(root, name)?;
    // Whatever can fail for its content comes before the first write.
    let mut sources: Vec<Source> = Vec::new();
    for of in of {
        let source = Source::find(root, of, owners)?;
        if sources.iter().any(|other| other.types() == source.types()) {
            bail!("{of} is named twice");
        }
        sources.push(source);
    }
    let edits = entries(root, &names)?;
    make(root, FILES, |text| names.fill_in(&source::fill_in_all(&sources, text)), edits)?;
    for source in &sources {
        make(root, &[source::FILE], |text| names.fill_in(&source.fill_in(text)), Vec::new())?;
    }
    // The order of imports and the width of lines depend on the names.
    processes::show(cargo().current_dir(root).args(["fmt", "--package", name]))?;
    println!(
        "Made shared/overviews/{name}, and entered it in Cargo.toml and shared/catalog.\n\n  \
         cargo nextest run -p {name} -p catalog\n      \
         runs its tests\n\n\
         Say in openapi.yaml, at `GET /{{collection}}/{{id}}`, what it shows. Streams that were there before it get into it with \
         their next event, or by `POST /rebuild`, once it is deployed."
    );
    Ok(())
}

fn parse(name: &str) -> Result<Words> {
    let is_fit = |_: &Words| name.len() <= MAX && !name.bytes().any(|b| b.is_ascii_digit());
    let Some(words) = Words::parse(name).filter(is_fit) else {
        bail!(
            "an overview's name is words of lower-case letters, {MAX} characters at most, as in `customers`: not {name:?}"
        );
    };
    if PATHS.contains(&name) {
        bail!("an overview cannot be called {name}: the API has a path of that name, which would hide it");
    }
    if let Some((reason, _)) = CRATES.iter().find(|(_, names)| names.contains(&name)) {
        bail!("an overview cannot be called {name}: {reason}");
    }
    Ok(words)
}

/// No overview, collection or package is called so yet.
fn check_free(root: &Path, name: &str) -> Result<()> {
    if root.join("shared/overviews").join(name).exists() {
        bail!("there is an overview {name} already");
    }
    if let Some(context) = context_of_collection(root, name)? {
        bail!("{context} has a collection {name} already; the overview needs another name");
    }
    if is_package(root, name)? {
        bail!("{name} is a package that this workspace has or uses; the overview needs another name");
    }
    Ok(())
}

/// The files that know of every overview, with this one entered.
fn entries(root: &Path, names: &Words) -> Result<Vec<(PathBuf, String)>> {
    let edited = |path: &str, after: &str, end: &str, line: &str| {
        edited(root, path, &names.name, |text| edit::insert(text, after, end, &names.fill_in(line)))
    };
    Ok(vec![
        edited("Cargo.toml", "# Ours", "", "__name__ = { path = \"shared/overviews/__name__\" }")?,
        edited("shared/catalog/Cargo.toml", "[dependencies]", "", "__name__.workspace = true")?,
        edited("shared/catalog/src/lib.rs", "pub static OVERVIEWS", "];", "    __crate__::OVERVIEW,")?,
    ])
}
