//! Routes: which queue a command goes to, by its source.

use store::registry::Route;

use crate::grants::source_begins_with;

/// The tenant's own queue for what comes from `source`; `None` for the shared queue of the command's context.
/// The longest prefix wins.
pub(crate) fn own_queue<'a>(routes: &'a [Route], source: &str) -> Option<&'a str> {
    let covering = routes.iter().filter(|route| source_begins_with(source, &route.source));
    covering.max_by_key(|route| route.source.len())?.queue.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let route = |source: &str, queue: Option<&str>| Route { source: source.into(), queue: queue.map(Into::into) };
        let routes = [
            route("https://a.example/", Some("wide")),
            route("https://a.example/b/", Some("narrow")),
            route("https://a.example/b/c/", None),
        ];
        assert_eq!(own_queue(&routes, "https://a.example/x"), Some("wide"));
        assert_eq!(own_queue(&routes, "https://a.example/b/x"), Some("narrow"));
        assert_eq!(own_queue(&routes, "https://a.example/b/c/x"), None, "an exception leads back to the shared queue");
        assert_eq!(own_queue(&routes, "https://b.example/"), None);
    }
}
