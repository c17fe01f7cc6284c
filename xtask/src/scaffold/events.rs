//! The events that a type of aggregate has, as its code declares them.

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    pub name: String,
    /// That are read, the newest first.
    pub versions: Vec<u32>,
    /// Whether the newest one is not written yet.
    pub unwritten: bool,
}

/// The events in a file `events.rs`. `None` if it declares none, or otherwise than usual.
pub fn declared(text: &str) -> Option<Vec<Declared>> {
    let without_comments = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text: String = without_comments.flat_map(|line| [line, "\n"]).collect();
    let (_, list) = text.split_once("enum Event in ")?;
    let (list, _) = list.split_once('{')?.1.split_once('}')?;
    let events: Option<Vec<Declared>> = list.split(',').map(str::trim).filter(|it| !it.is_empty()).map(event).collect();
    events.filter(|events| !events.is_empty())
}

/// `OrderShipped(OrderShipped) = 2 unwritten <- 1: OrderShippedV1`.
fn event(declared: &str) -> Option<Declared> {
    let (payload, versions) = declared.split_once(" = ")?;
    let (name, _) = payload.split_once('(')?;
    let (newest, older) = versions.split_once("<-").unwrap_or((versions, ""));
    let number = |text: &str| text.trim().parse().ok();
    let newest = newest.trim();
    let mut all = vec![number(newest.trim_end_matches("unwritten"))?];
    for old in older.split('|').filter(|old| !old.trim().is_empty()) {
        all.push(number(old.split_once(':')?.0)?);
    }
    Some(Declared { name: name.to_owned(), versions: all, unwritten: newest.ends_with("unwritten") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_names_and_versions() {
        let text = "kernel::messages! {\n    pub enum Event in \"orders\" {\n        OrderSubmitted(OrderSubmitted) = 1, // first\n        \
                    OrderShipped(OrderShipped) = 3 <- 2: OrderShippedV2\n            | 1: OrderShippedV1,\n        \
                    OrderMoved(OrderMoved) = 1 unwritten,\n    }\n}\npub struct OrderMoved {}\n";
        let event = |name: &str, versions: &[u32], unwritten| Declared {
            name: name.to_owned(),
            versions: versions.to_vec(),
            unwritten,
        };
        let expected = [
            event("OrderSubmitted", &[1], false),
            event("OrderShipped", &[3, 2, 1], false),
            event("OrderMoved", &[1], true),
        ];
        assert_eq!(declared(text).as_deref(), Some(&expected[..]));
    }

    #[test]
    fn what_is_declared_otherwise_is_left_to_people() {
        for text in ["", "pub enum Event in \"orders\" {}", "enum Event in \"orders\" { OrderMoved(OrderMoved) = one }"]
        {
            assert_eq!(declared(text), None, "{text}");
        }
    }
}
