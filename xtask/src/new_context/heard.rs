//! What makes a new context listen to another.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::names::{Names, capitalised};
use crate::scaffold::{read, write};

/// What says how events become commands.
pub const FILE: (&str, &str) =
    ("shared/contexts/__names__/src/heard.rs", include_str!("../../templates/context/src/heard.rs"));

/// The context that is heard, with one of its events to begin with.
pub struct Other {
    name: String,
    pub event: String,
    /// The only version that the event has: whoever listens reads all of them.
    version: String,
}

impl Other {
    pub fn find(root: &Path, name: &str) -> Result<Self> {
        let events = root.join(format!("shared/contexts/{name}/src/events.rs"));
        if !events.exists() {
            bail!("there is no context {name} to listen to");
        }
        let text = read(&events)?;
        let declared = text.lines().skip_while(|line| !line.contains("enum Event in")).skip(1);
        let found = declared.take_while(|line| line.trim() != "}").find_map(only_version);
        let (event, version) = found.with_context(|| format!("{name} has no event of one version to begin with"))?;
        Ok(Self { name: name.to_owned(), event, version })
    }

    /// Puts names into `text` for `__others__`, `__Others__`, `__Event__` and `__version__`.
    pub fn fill_in(&self, text: &str) -> String {
        text.replace("__others__", &self.name)
            .replace("__Others__", &capitalised(&self.name))
            .replace("__Event__", &self.event)
            .replace("__version__", &self.version)
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

/// Name and version of an event that has had one version only.
fn only_version(line: &str) -> Option<(String, String)> {
    let (declared, version) = line.trim().trim_end_matches(',').split_once(" = ")?;
    let (name, _) = declared.split_once('(')?;
    version.bytes().all(|b| b.is_ascii_digit()).then(|| (name.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_to_begin_with_has_had_one_version() {
        let one = Some(("OrderSubmitted".to_owned(), "1".to_owned()));
        assert_eq!(only_version("        OrderSubmitted(OrderSubmitted) = 1,"), one);
        assert_eq!(only_version("        OrderShipped(OrderShipped) = 2 <- 1: OrderShippedV1,"), None);
        assert_eq!(only_version("        OrderMoved(OrderMoved) = 1 unwritten,"), None);
    }
}
