//! Counters: numbers that several aggregates share, and move by [guards](crate::decider::Guard::Adjust).

/// The counters of one kind: what is left of each article, what can be spent of each account.
///
/// A context may [share](crate::context::Context::sharing) its counters with others. A context that moves them declares the
/// same value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// The context whose they are.
    pub context: &'static str,
    /// What each is called; what tells one from another stands in braces: `available/{currency}/{account}`.
    pub name: &'static str,
}

/// One of a tenant's counters. It is 0 before it is first moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    pub context: &'static str,
    pub name: String,
}

impl Counters {
    pub const fn of(context: &'static str, name: &'static str) -> Self {
        Self { context, name }
    }

    /// The counter with these values in its name's braces. None of them has a slash. Panics if there are more or fewer.
    pub fn at<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Counter {
        let mut values = values.into_iter();
        let mut fill =
            |part| if str::starts_with(part, '{') { values.next().expect("a value for each brace") } else { part };
        let name = self.name.split('/').map(&mut fill).collect::<Vec<_>>().join("/");
        assert_eq!(values.next(), None, "{} has a brace for each value", self.name);
        Counter { context: self.context, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Counters = Counters::of("stock", "left/{place}/{article}");

    #[test]
    fn a_counter_is_told_by_the_values_in_its_name() {
        let name = "left/cellar/TEA".to_owned();
        assert_eq!(LEFT.at(["cellar", "TEA"]), Counter { context: "stock", name });
    }

    #[test]
    #[should_panic(expected = "a value for each brace")]
    fn a_value_too_few_is_found() {
        LEFT.at(["cellar"]);
    }

    #[test]
    #[should_panic(expected = "a brace for each value")]
    fn a_value_too_many_is_found() {
        LEFT.at(["cellar", "TEA", "1"]);
    }
}
