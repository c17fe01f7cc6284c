//! What a new context may be called, and what its types are called after it.

use anyhow::{Result, bail};

use crate::scaffold::capitalised;
use crate::scaffold::reserved_names::{CONTEXTS, CRATES};

/// As the kernel's limit: the name becomes part of queue names and of `CloudFormation`'s ids.
const MAX: usize = 30;

/// A context's name in the forms that its files need.
#[derive(Debug)]
pub struct Names {
    /// As given: `claims`.
    pub names: String,
}

impl Names {
    pub fn parse(name: &str) -> Result<Self> {
        if !(1..=MAX).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_lowercase()) {
            bail!("a context's name is 1 to {MAX} lower-case letters, as in `claims`: not {name:?}");
        }
        if let Some((reason, _)) = CONTEXTS.iter().chain(CRATES).find(|(_, names)| names.contains(&name)) {
            bail!("a context cannot be called {name}: {reason}");
        }
        Ok(Self { names: name.to_owned() })
    }

    /// Puts the name into `text` for `__names__`, `__Names__`, `__name__` and `__Name__`.
    pub fn fill_in(&self, text: &str) -> String {
        let singular = singular(&self.names);
        text.replace("__names__", &self.names)
            .replace("__Names__", &capitalised(&self.names))
            .replace("__name__", &singular)
            .replace("__Name__", &capitalised(&singular))
    }

    /// The types of the commands that it begins with.
    pub fn commands(&self) -> [String; 2] {
        ["Open__Name__", "Close__Name__"].map(|command| self.fill_in(command))
    }
}

/// As far as English is regular; a word that looks like no plural stays as it is.
fn singular(plural: &str) -> String {
    if let Some(stem) = plural.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for ending in ["sses", "shes", "ches", "xes"] {
        if plural.ends_with(ending) {
            return plural[..plural.len() - 2].to_owned();
        }
    }
    let irregular = ["ss", "us", "is"].iter().any(|ending| plural.ends_with(ending));
    match plural.strip_suffix('s') {
        Some(stem) if !irregular && !stem.is_empty() => stem.to_owned(),
        _ => plural.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_is_named_as_in_english() {
        for (plural, one) in [
            ("claims", "claim"),
            ("policies", "policy"),
            ("addresses", "address"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("invoices", "invoice"),
            ("billing", "billing"),
            ("business", "business"),
            ("status", "status"),
            ("s", "s"),
        ] {
            assert_eq!(singular(plural), one);
        }
    }

    #[test]
    fn placeholders_are_filled_in() {
        let names = Names::parse("policies").expect("a name");
        assert_eq!(
            names.fill_in("__names__ __Names__ __name__ Open__Name__ed"),
            "policies Policies policy OpenPolicyed"
        );
    }

    #[test]
    fn names_that_cannot_be_are_refused_with_the_reason() {
        let refusal = |name: &str| Names::parse(name).expect_err(name).to_string();
        for name in ["", "Claims", "my-claims", "claims2", "my_claims", "../claims", "ä", &"x".repeat(31)] {
            assert!(refusal(name).contains("1 to 30 lower-case letters"), "{name}");
        }
        assert!(Names::parse(&"x".repeat(30)).is_ok());
    }

    #[test]
    fn every_reserved_name_is_refused_with_its_reason() {
        for (reason, names) in CONTEXTS.iter().chain(CRATES) {
            for name in *names {
                let refusal = Names::parse(name).expect_err(name).to_string();
                // Some paths are no name of a context in any case: `dead-letters`.
                let expected = if name.bytes().all(|b| b.is_ascii_lowercase()) { reason } else { "lower-case letters" };
                assert!(refusal.contains(expected), "{refusal}");
            }
        }
    }

    #[test]
    fn paths_words_and_types_that_are_taken_are_refused() {
        for (name, reason) in [
            ("console", "the API has a path"),
            ("events", "the API has a path"),
            ("operations", "the API has a path"),
            ("health", "the API has a path"),
            ("own", "tenants' own queues"),
            ("platform", "an alarm"),
            ("registry", "events/ has a folder"),
            ("match", "a word of Rust's"),
            ("union", "a word of Rust's"),
            ("str", "Rust has a crate, a tool or a type"),
            ("command", "take the plural"),
        ] {
            let refusal = Names::parse(name).expect_err(name).to_string();
            assert!(refusal.starts_with(&format!("a context cannot be called {name}: ")), "{refusal}");
            assert!(refusal.contains(reason), "{refusal}");
        }
        for name in ["claims", "parcels", "commands", "documents"] {
            assert_eq!(Names::parse(name).is_ok(), name != "commands", "{name}");
        }
    }
}
