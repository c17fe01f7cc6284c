//! What a new subscriber may be called, and what its types and resources are called after it.

use anyhow::{Result, bail};

use crate::scaffold::Words;

/// A function's name has 64 characters, and the installation's name is in it: docs/contexts.md.
const MAX: usize = 25;

/// Types that a subscriber's code uses, in the words that would make them.
const RESERVED: &[&str] = &[
    "aws",
    "duration",
    "environment",
    "err",
    "error",
    "infallible",
    "instant",
    "json",
    "metrics",
    "none",
    "ok",
    "option",
    "recorded-event",
    "result",
    "runner",
    "self",
    "some",
    "string",
    "subscriber",
    "value",
    "vec",
];

pub fn parse(name: &str) -> Result<Words> {
    let Some(words) = Words::parse(name).filter(|_| name.len() <= MAX) else {
        bail!(
            "a subscriber's name is words of lower-case letters, {MAX} characters at most, as in `price-list`: not {name:?}"
        );
    };
    if RESERVED.contains(&name) {
        bail!("a subscriber cannot be called {name}: a type of that name is in use in every subscriber");
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new_subscriber::FILES;

    #[test]
    fn placeholders_are_filled_in() {
        let names = parse("price-list").expect("a name");
        assert_eq!(names.fill_in("__name__ __Name__ __crate__"), "price-list PriceList price_list");
    }

    #[test]
    fn names_that_cannot_be_are_refused_with_the_reason() {
        for name in
            ["", "-", "Prices", "price_list", "price--list", "price-", "2nd", "price-2", "../x", "ä", &"x".repeat(26)]
        {
            let refusal = parse(name).expect_err(name).to_string();
            assert!(refusal.contains("words of lower-case letters, 25 characters at most"), "{name}: {refusal}");
        }
        for name in ["x", "webhooks", "price-list2", &"x".repeat(25)] {
            assert!(parse(name).is_ok(), "{name}");
        }
    }

    /// A subscriber whose type were called so would not compile.
    #[test]
    fn every_type_that_the_code_of_a_subscriber_uses_is_reserved() {
        let code = FILES.iter().filter(|(path, _)| !path.ends_with("Cargo.toml")).flat_map(|(_, text)| text.lines());
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        let words = code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '"'));
        let types = words.filter(|word| word.chars().any(|c| c.is_ascii_lowercase()) && !word.contains(['_', '"']));
        let types: Vec<&str> = types.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())).collect();
        assert!(types.contains(&"Environment"), "{types:?}");
        for ty in types {
            let mut name = String::new();
            for c in ty.chars() {
                name += if c.is_ascii_uppercase() && !name.is_empty() { "-" } else { "" };
                name.push(c.to_ascii_lowercase());
            }
            assert!(parse(&name).is_err(), "{name} is missing in RESERVED");
        }
    }
}
