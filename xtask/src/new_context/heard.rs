//! What makes a new context listen to another.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::names::Names;
use crate::scaffold::{capitalised, events, read, write};

/// What says how events become commands.
pub const FILE: (&str, &str) =
    ("shared/contexts/__names__/src/heard.rs", include_str!("../../templates/context/src/heard.rs"));

/// The context that is heard, with one of its events to begin with.
pub struct Other {
    name: String,
    pub event: String,
    /// The only version that the event has: whoever listens reads all of them.
    version: u32,
}

impl Other {
    pub fn find(root: &Path, name: &str) -> Result<Self> {
        let file = root.join(format!("shared/contexts/{name}/src/events.rs"));
        if !file.exists() {
            bail!("there is no context {name} to listen to");
        }
        let declared = events::declared(&read(&file)?).unwrap_or_default().into_iter();
        let found = declared.filter(|event| !event.unwritten).find_map(|event| match event.versions[..] {
            [version] => Some((event.name, version)),
            _ => None,
        });
        let (event, version) = found.with_context(|| format!("{name} has no event of one version to begin with"))?;
        Ok(Self { name: name.to_owned(), event, version })
    }

    /// Puts names into `text` for `__others__`, `__Others__`, `__Event__` and `__version__`.
    pub fn fill_in(&self, text: &str) -> String {
        text.replace("__others__", &self.name)
            .replace("__Others__", &capitalised(&self.name))
            .replace("__Event__", &self.event)
            .replace("__version__", &self.version.to_string())
    }

    /// Has the new context, which is written already, say that it listens.
    pub fn enter(&self, root: &Path, names: &Names) -> Result<()> {
        let file = root.join(names.fill_in("shared/contexts/__names__/src/lib.rs"));
        let text = read(&file)?
            .replace("mod evolve;\n", "mod evolve;\npub mod heard;\n")
            .replace("use kernel::decider::{", "use kernel::peers::Heard;\nuse kernel::decider::{")
            .replace("use projection::", &self.fill_in("use heard::From__Others__;\nuse projection::"))
            .replace(
                "View]);\n",
                &self.fill_in("View])\n    .hearing(&[Heard::of::<From__Others__>(\"__others__\")]);\n"),
            );
        write(&file, &text)
    }
}
