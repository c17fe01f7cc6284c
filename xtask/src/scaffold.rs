//! What the tasks have in common that make something new: files from templates, and a line or a word in files that people
//! keep.

#[cfg(test)]
pub mod copies;
pub mod edit;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

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

/// Whether the workspace has a package of this name, or uses one.
pub fn is_package(root: &Path, name: &str) -> Result<bool> {
    Ok(read(&root.join("Cargo.lock"))?.lines().any(|line| line == format!("name = {name:?}")))
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
