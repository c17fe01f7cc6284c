//! Routes: which queue a command goes to, by its source.

use store::registry::Route;

use crate::sources::{Prefix, Source};

/// A tenant's routes, ready to be asked.
pub struct Routes(Vec<(Prefix, Option<String>)>);

impl Routes {
    pub fn of(routes: &[Route]) -> Self {
        let route = |route: &Route| Some((Prefix::of(&route.source)?, route.queue.clone()));
        Self(routes.iter().filter_map(route).collect())
    }

    /// The tenant's own queue for what comes from `source`; `None` for the shared queue of the command's context.
    /// The longest prefix wins.
    pub fn own_queue(&self, source: &Source) -> Option<&str> {
        let covering = self.0.iter().filter(|(prefix, _)| source.begins_with(prefix));
        covering.max_by_key(|(prefix, _)| prefix.len())?.1.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let route = |source: &str, queue: Option<&str>| Route { source: source.into(), queue: queue.map(Into::into) };
        let routes = [
            route("https://a.example/b/c/", None),
            route("https://a.example/", Some("wide")),
            route("https://a.example/b/", Some("narrow")),
        ];
        let routes = Routes::of(&routes);
        let own_queue = |source: &str| routes.own_queue(&Source::of(source).expect("a source"));
        assert_eq!(own_queue("https://a.example/x"), Some("wide"));
        assert_eq!(own_queue("https://a.example/b/x"), Some("narrow"));
        assert_eq!(own_queue("https://a.example/b/c/x"), None, "an exception leads back to the shared queue");
        assert_eq!(own_queue("https://b.example/"), None);
        assert_eq!(own_queue("HTTPS://A.example:443/x/../b/%78"), Some("narrow"), "whatever the spelling");
    }
}
