//! What the tasks have in common that make something new: files from templates, and a line or a word in files that people
//! keep.

#[cfg(test)]
pub mod copies;
pub mod edit;
pub mod events;
#[path = "../../shared/catalog/src/reserved_names.rs"]
pub mod reserved_names;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use self::words::{Words, capitalised};

/// The file, with something entered. `what` is named where the file is not as expected.
pub fn edited(
    root: &Path,
    path: &str,
    what: &str,
    edit: impl FnOnce(&str) -> Option<String>,
) -> Result<(PathBuf, String)> {
    let path = root.join(path);
    let text = edit(&read(&path)?);
    let text = text.with_context(|| format!("{} is not as expected: enter {what} by hand", path.display()))?;
    Ok((path, text))
}

/// Writes the files, each with its path below `root` and its text, both filled in, and then the edited ones.
pub fn make(
    root: &Path,
    files: &[(&str, &str)],
    fill_in: impl Fn(&str) -> String,
    edits: Vec<(PathBuf, String)>,
) -> Result<()> {
    for (path, text) in files {
        let path = root.join(fill_in(path));
        let folder = path.parent().context("a file lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        write(&path, &fill_in(text))?;
    }
    for (path, text) in edits {
        write(&path, &text)?;
    }
    Ok(())
}

/// Whether the workspace has a package of this name, or uses one, or one whose crate is called so. One that was just made is
/// not locked yet.
pub fn is_package(root: &Path, name: &str) -> Result<bool> {
    let (locked, ours) = (read(&root.join("Cargo.lock"))?, read(&root.join("Cargo.toml"))?);
    let is_it = |other: &str| other.replace('-', "_") == name.replace('-', "_");
    let locked = locked.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let ours = ours.lines().filter_map(|line| Some(line.split_once(" = { path")?.0));
    Ok(locked.chain(ours).any(is_it))
}

/// The context that has a collection of this name.
pub fn context_of_collection(root: &Path, name: &str) -> Result<Option<String>> {
    let collection = format!("COLLECTION: &'static str = {name:?}");
    for context in folders(&root.join("shared/contexts"))? {
        let source = context.join("src");
        let types = folders(&source)?;
        for projection in [source].iter().chain(&types).map(|folder| folder.join("projection.rs")) {
            if projection.exists() && read(&projection)?.contains(&collection) {
                return Ok(Some(file_name(&context)));
            }
        }
    }
    Ok(None)
}

/// The folders in `folder`, by name.
pub fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths)
}

pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}
