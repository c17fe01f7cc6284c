//! A new bounded context that works from the start: its folder, schemas and sample events, and the lines that make it
//! known. Its rules are a beginning, to be replaced.

mod heard;
mod names;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use self::heard::Other;
use self::names::Names;
use crate::processes;
use crate::scaffold::{context_of_collection, edit, edited, file_name, folders, is_package, make};
use crate::workspace::cargo;

/// What a context consists of: where it goes and its text, both with [`Names`] to be filled in.
const FILES: &[(&str, &str)] = &[
    ("shared/contexts/__names__/Cargo.toml", include_str!("../templates/context/package.toml")),
    ("shared/contexts/__names__/src/lib.rs", include_str!("../templates/context/src/lib.rs")),
    ("shared/contexts/__names__/src/commands.rs", include_str!("../templates/context/src/commands.rs")),
    ("shared/contexts/__names__/src/events.rs", include_str!("../templates/context/src/events.rs")),
    ("shared/contexts/__names__/src/state.rs", include_str!("../templates/context/src/state.rs")),
    ("shared/contexts/__names__/src/decide.rs", include_str!("../templates/context/src/decide.rs")),
    ("shared/contexts/__names__/src/evolve.rs", include_str!("../templates/context/src/evolve.rs")),
    ("shared/contexts/__names__/src/projection.rs", include_str!("../templates/context/src/projection.rs")),
    ("shared/contexts/__names__/src/tests.rs", include_str!("../templates/context/src/tests.rs")),
    ("events/schemas/__names__/Open__Name__.1.json", include_str!("../templates/context/schemas/open.json")),
    ("events/schemas/__names__/Close__Name__.1.json", include_str!("../templates/context/schemas/close.json")),
    ("events/schemas/__names__/__Name__Opened.1.json", include_str!("../templates/context/schemas/opened.json")),
    ("events/schemas/__names__/__Name__Closed.1.json", include_str!("../templates/context/schemas/closed.json")),
    ("events/__names__/open-__name__.json", include_str!("../templates/context/samples/open.json")),
    ("events/__names__/close-__name__.json", include_str!("../templates/context/samples/close.json")),
];

/// `listens` is a context whose events it turns into commands of its own.
pub fn new_context(root: &Path, name: &str, listens: Option<&str>) -> Result<()> {
    let names = Names::parse(name)?;
    check_free(root, &names)?;
    // Whatever can fail for its content comes before the first write.
    let other = listens.map(|other| Other::find(root, other)).transpose()?;
    let edits = entries(root, name, other.as_ref())?;
    match &other {
        None => make(root, FILES, |text| names.fill_in(text), edits)?,
        Some(other) => {
            let files = [FILES, &[heard::FILE]].concat();
            make(root, &files, |text| other.fill_in(&names.fill_in(text)), edits)?;
            other.enter(root, &names)?;
        }
    }
    // The order of imports and the width of lines depend on the name.
    processes::show(cargo().current_dir(root).args(["fmt", "--package", name]))?;
    println!(
        "Made shared/contexts/{name}, with schemas and sample events under events/, and entered it in Cargo.toml, \
         shared/catalog, template.yaml, observability.yaml and openapi.yaml.\n\n  \
         cargo nextest run -p {name} -p catalog\n      \
         runs its tests\n  \
         UPDATE_SCHEMAS=1 cargo nextest run -p {name} schema_files\n      \
         writes its schemas, after a message changed\n  \
         UPDATE_CLIENT=1 cargo nextest run -p tests --test house client\n      \
         tells the client in TypeScript its commands and reasons; then run clients/typescript/generate.mjs"
    );
    Ok(())
}

/// No package, context, collection or command is called so yet.
fn check_free(root: &Path, names: &Names) -> Result<()> {
    let name = &names.names;
    if root.join("shared/contexts").join(name).exists() {
        bail!("there is a context {name} already");
    }
    if is_package(root, name)? {
        bail!("{name} is a package that this workspace has or uses; the context needs another name");
    }
    if root.join("functions").join(name).exists() {
        bail!("{name} is a function, whose alarms are called so; the context needs another name");
    }
    if let Some(context) = context_of_collection(root, name)? {
        bail!("{context} has a collection {name} already; the context needs another name");
    }
    for context in folders(&root.join("events/schemas"))? {
        if let Some(command) = names.commands().iter().find(|it| context.join(format!("{it}.1.json")).exists()) {
            bail!("{} has a message {command} already; the context needs another name", file_name(&context));
        }
    }
    Ok(())
}

/// The files that know of every context, with this one entered.
fn entries(root: &Path, name: &str, other: Option<&Other>) -> Result<Vec<(PathBuf, String)>> {
    let edited = |path: &str, edit: &dyn Fn(&str) -> Option<String>| edited(root, path, name, edit);
    Ok(vec![
        edited("Cargo.toml", &|text| {
            edit::insert(text, "# Ours", "", &format!("{name} = {{ path = \"shared/contexts/{name}\" }}"))
        })?,
        edited("shared/catalog/Cargo.toml", &|text| {
            edit::insert(text, "[dependencies]", "", &format!("{name}.workspace = true"))
        })?,
        edited("shared/catalog/src/lib.rs", &|text| {
            edit::insert(text, "pub static CONTEXTS", "];", &format!("    {name}::CONTEXT,"))
        })?,
        edited("template.yaml", &|text| {
            let text = edit::insert_word(text, "Context", name)?;
            let text = edit::insert_queue(&text, "Commands", name)?;
            let text = edit::insert_queue(&text, "DeadLetters", name)?;
            other.map_or(Some(text.clone()), |other| edit::insert_heard(&text, &other.event))
        })?,
        edited("observability.yaml", &|text| edit::insert_word(text, "Context", name))?,
        edited("openapi.yaml", &|text| edit::insert_collection(text, name))?,
    ])
}
