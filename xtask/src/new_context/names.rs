//! What a new context may be called, and what its types are called after it.

use anyhow::{Result, bail};

/// As the kernel's limit: the name becomes part of queue names and of `CloudFormation`'s ids.
const MAX: usize = 30;

/// Rust's own words and crates.
const RUST: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum extern \
    false final fn for gen if impl in let loop macro match mod move mut override priv pub ref return self static std \
    struct super test trait true try type typeof unsafe unsized use virtual where while yield";

/// The API's own paths.
const PATHS: &str = "commands health operations parked redrive reports schemas";

/// Types that every context uses: one named after the context would hide them.
const TYPES: &str = "command context decider decision envelope event just option projection rejection result schema \
    state strategy string timestamp value vec";

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
        let among = |words: &str| words.split(' ').any(|word| word == name);
        if among(RUST) || among(PATHS) {
            bail!("{name} has a meaning in Rust or in the API's paths; the context needs another name");
        }
        if among(TYPES) {
            bail!("{name} would be mixed up with a type that contexts use; take the plural, or another name");
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

    /// What one of them is called in types: `Claim`.
    pub fn singular_type(&self) -> String {
        capitalised(&singular(&self.names))
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

fn capitalised(word: &str) -> String {
    word[..1].to_ascii_uppercase() + &word[1..]
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
        assert!(refusal("match").contains("Rust"));
        assert!(refusal("operations").contains("the API's paths"));
        assert!(refusal("command").contains("take the plural"));
        assert!(Names::parse(&"x".repeat(30)).is_ok());
    }
}
