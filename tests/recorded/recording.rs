//! The files of `events/recorded`, by their paths there.
//!
//! | path | holds |
//! | --- | --- |
//! | `CONTEXT/schemas/commands/NAME.VERSION.json`, `…/events/…` | what the release reads, and the schema that it has of it |
//! | `CONTEXT/streams/NAME.VERSION.json` | the commits of a stream, as stored, of which the last one has this event |
//! | `CONTEXT/queue/NAME.VERSION.json`, `…-revised.json` | a queued command, as ingest sealed it, and as an operator resubmitted it |
//! | `operations/OUTCOME.json` | the record of an operation |
//! | `parked/….json` | parked messages: each in its stage |

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

#[derive(Debug, Default, PartialEq)]
pub struct Recording(BTreeMap<String, Value>);

/// That of the release before.
pub fn recorded() -> Recording {
    let mut files = Recording::default();
    files.read(&root(), "");
    assert!(!files.0.is_empty(), "no release was ever recorded: cargo xtask record-release");
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/recorded")
}

impl Recording {
    fn read(&mut self, folder: &Path, prefix: &str) {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("an entry").path();
            let name = format!("{prefix}{}", path.file_name().unwrap_or_default().display());
            if path.is_dir() {
                self.read(&path, &format!("{name}/"));
            } else {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
                self.add(name, serde_json::from_str(&text).expect("JSON"));
            }
        }
    }

    pub fn add(&mut self, name: String, sample: Value) {
        self.0.insert(name, sample);
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Writes the samples. Those of versions that are read and not written any more stay as they are.
    pub fn write(&self) {
        for (name, sample) in &self.0 {
            let path = root().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            fs::write(&path, format!("{sample:#}\n")).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    /// Samples whose path begins so.
    pub fn under(&self, prefix: &str) -> impl Iterator<Item = (&str, Value)> {
        self.0
            .iter()
            .filter(move |(name, _)| name.starts_with(prefix))
            .map(|(name, sample)| (name.as_str(), sample.clone()))
    }

    /// Samples in this folder of any context.
    pub fn of_contexts(&self, folder: &str) -> impl Iterator<Item = (&str, Value)> {
        self.under("").filter(move |(name, _)| name.split('/').nth(1) == Some(folder))
    }

    /// What can be read: context, `commands` or `events`, name and version.
    pub fn versions(&self) -> impl Iterator<Item = (String, String, String, u32)> {
        self.of_contexts("schemas").map(|(path, _)| {
            let parts: Vec<_> = path.split(['/', '.']).collect();
            let [context, _, kind, name, version, _] = parts[..] else { panic!("{path} names no version") };
            (context.to_owned(), kind.to_owned(), name.to_owned(), version.parse().expect("a version"))
        })
    }
}
