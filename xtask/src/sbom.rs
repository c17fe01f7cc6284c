//! What each function consists of, for those who must tell: a bill of materials in CycloneDX's format.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::processes;
use crate::steps::step;
use crate::tools::{CYCLONEDX, from_cargo};
use crate::workspace::{Package, Workspace};

/// What functions are built for, unless told otherwise. Crates for other systems are not in them.
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Writes one for each function into `target/sbom/`.
pub fn sbom(workspace: &Workspace) -> Result<()> {
    let tool = step("install cargo-cyclonedx", || from_cargo(workspace, CYCLONEDX))?;
    let written = processes::keep(
        Command::new(tool)
            .args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--target", TARGET])
            .current_dir(&workspace.root),
    );
    // The tool writes beside every manifest of the workspace, and knows no other place.
    let folder = workspace.target.join("sbom");
    fs::create_dir_all(&folder)?;
    for package in &workspace.packages {
        let from = beside_manifest(package);
        if !from.exists() {
            continue;
        }
        if workspace.functions.contains(&package.name) {
            // Where this checkout lies is nobody's business, and would make another file on each machine.
            let text = fs::read_to_string(&from)?.replace(&format!("{}/", workspace.root.display()), "");
            fs::write(folder.join(from.file_name().context("a file has a name")?), text)?;
        }
        fs::remove_file(from)?;
    }
    written?;
    println!("wrote {}/FUNCTION.cdx.json for {} functions", folder.display(), workspace.functions.len());
    Ok(())
}

fn beside_manifest(package: &Package) -> PathBuf {
    package.folder.join(format!("{}.cdx.json", package.name))
}
