//! Settings: read once, before anything else starts, and refused with a clear message.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use kernel::operation::LONGEST_WAY;

/// Two days more than [`LONGEST_WAY`], for a repeat need not put off that a record expires by less than one.
const LEAST_RETENTION_DAYS: u32 = 30;

/// Why the function does not start.
#[derive(Debug, thiserror::Error)]
pub enum BadSetting {
    #[error("the environment variable {0} is not set")]
    Missing(String),
    #[error("the environment variable {name} {why}")]
    Invalid { name: String, why: String },
}

/// The environment variables, or what a test gives in their place.
#[derive(Debug, Clone)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// This process's own. Variables that are not Unicode count as not set.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// A variable that must be there. An empty one is not.
    pub fn text(&self, name: &str) -> Result<String, BadSetting> {
        self.optional(name).map(str::to_owned).ok_or_else(|| BadSetting::Missing(name.to_owned()))
    }

    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable in a form of its own.
    pub fn parsed<T>(&self, name: &str) -> Result<T, BadSetting>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text(name)?.parse().map_err(|error: T::Err| invalid(name, error))
    }

    /// A variable that is one of these words; the first one is meant if it is not set.
    pub fn one_of<T, const N: usize>(&self, name: &str, words: [(&str, T); N]) -> Result<T, BadSetting> {
        let known = words.each_ref().map(|(word, _)| *word);
        let given = self.optional(name).unwrap_or(known[0]);
        let found = words.into_iter().find(|(word, _)| *word == given).map(|(_, meant)| meant);
        found.ok_or_else(|| invalid(name, format!("is {given}, and must be `{}`", known.join("` or `"))))
    }

    /// `PUBLIC_URL`: the API's address for callers, without a slash at its end.
    pub fn public_url(&self) -> Result<String, BadSetting> {
        Ok(self.text("PUBLIC_URL")?.trim_end_matches('/').to_owned())
    }

    /// How long the record of a final outcome is kept: for `OPERATION_RETENTION_DAYS`, in which a repeat is known as one,
    /// and then for as long as a repeat of the last day can be on its way.
    ///
    /// The setting is longer than that way. So what was accepted for one record is told from what was accepted after it
    /// had expired ([`OperationRecord::tells_of`](store::operations::OperationRecord::tells_of)).
    pub fn retention(&self) -> Result<Duration, BadSetting> {
        const NAME: &str = "OPERATION_RETENTION_DAYS";
        let days: u32 = self.parsed(NAME)?;
        if days < LEAST_RETENTION_DAYS {
            let why = format!("must be {LEAST_RETENTION_DAYS} or more: a command can be on its way for 28 days");
            return Err(invalid(NAME, why));
        }
        Ok(Duration::from_secs(u64::from(days) * 24 * 60 * 60) + LONGEST_WAY)
    }

    /// These variables and further ones; a further one replaces one of the same name.
    #[must_use]
    pub fn with<const N: usize>(&self, further: [(&str, &str); N]) -> Self {
        let mut variables = self.0.clone();
        variables.extend(Self::of(further).0);
        Self(variables)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// A setting whose value does not do, and why ("must be …").
pub fn invalid(name: &str, why: impl Display) -> BadSetting {
    BadSetting::Invalid { name: name.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_does_not_do_is_named() {
        let environment = Environment::of([("EMPTY", ""), ("DAYS", "many")]);
        let message = |error: BadSetting| error.to_string();
        assert_eq!(environment.text("EMPTY").map_err(message), Err("the environment variable EMPTY is not set".into()));
        let days = environment.parsed::<u32>("DAYS").map_err(message);
        assert_eq!(days, Err("the environment variable DAYS invalid digit found in string".into()));
        assert_eq!(environment.with([("DAYS", "7")]).parsed::<u32>("DAYS").ok(), Some(7));
    }

    #[test]
    fn one_of_a_few_words_is_meant_and_the_first_where_nothing_is_said() {
        let wanted = |value| Environment::of([("LISTS", value)]).one_of("LISTS", [("short", 1), ("long", 2)]);
        assert_eq!([wanted("").ok(), wanted("short").ok(), wanted("long").ok()], [Some(1), Some(1), Some(2)]);
        let refused = wanted("Long").map_err(|error| error.to_string());
        assert_eq!(refused, Err("the environment variable LISTS is Long, and must be `short` or `long`".into()));
    }

    #[test]
    fn records_are_kept_for_the_way_of_a_repeat_longer_than_repeats_are_known() {
        let retention = |days| Environment::of([("OPERATION_RETENTION_DAYS", days)]).retention();
        assert_eq!(retention("90").ok(), Some(Duration::from_hours(118 * 24)));
        let refused = retention("29").map_err(|error| error.to_string());
        assert!(refused.is_err_and(|why| why.contains("must be 30 or more")));
    }
}
