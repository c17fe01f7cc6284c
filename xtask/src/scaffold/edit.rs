//! One line, or one word, put into its place in a file that people keep.

/// Puts `line` into the list that follows the first line beginning with `start`, up to the line `end` or the end of
/// the text: before the first line of the list that sorts after it. `None` if there is no such list.
pub fn insert(text: &str, start: &str, end: &str, line: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.starts_with(start))? + 1;
    let list = &lines[first..];
    let length = list.iter().position(|line| *line == end).unwrap_or(list.len());
    let before = list[..length].iter().position(|other| *other > line).unwrap_or(length);
    lines.insert(first + before, line);
    Some(lines.join("\n") + "\n")
}

/// Puts `word` into the list `[…]` of every loop over such, which is the line after `- Context` if `of` is `Context`. `None`
/// if there is no such loop, or one whose list is written otherwise.
pub fn insert_word(text: &str, of: &str, word: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let loops: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].trim() == format!("- {of}")).collect();
    for at in &loops {
        let list = lines.get_mut(at + 1)?;
        *list = with_word(list, word)?;
    }
    (!loops.is_empty()).then(|| lines.join("\n") + "\n")
}

/// Puts the queue of a context into every list of such queues' ARNs: `kind` is `Commands` or `DeadLetters`. `None` if there is no
/// such list, or one that does not end.
pub fn insert_queue(text: &str, kind: &str, context: &str) -> Option<String> {
    let item = |context: &str| format!("!GetAtt {context}{kind}.Arn");
    let is_one = |item: &str| {
        let context = item.strip_prefix("!GetAtt ").and_then(|item| item.strip_suffix(&format!("{kind}.Arn")));
        context.is_some_and(|context| !context.is_empty() && context.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    let mut found = false;
    let mut parts = text.split('[');
    let mut all = vec![parts.next()?.to_owned()];
    for part in parts {
        if !part.split(',').next().is_some_and(|first| is_one(first.trim())) {
            all.push(part.to_owned());
            continue;
        }
        let (list, tail) = part.split_once(']')?;
        let mut items: Vec<String> = list.split(',').map(|item| item.trim().to_owned()).collect();
        items.push(item(context));
        items.sort_unstable();
        // Three to a line, below the brackets.
        let lines: Vec<String> = items.chunks(3).map(|line| format!("\n        {}", line.join(", "))).collect();
        all.push(format!("{}]{tail}", lines.join(",")));
        found = true;
    }
    found.then(|| all.join("["))
}

/// Has the listener's row get an event of this type, too. `None` if there is no such row, or one written otherwise.
pub fn insert_heard(text: &str, event: &str) -> Option<String> {
    let (head, row) = text.split_once("\n    Listener: ")?;
    let (before, list) = row.split_once("Types: ")?;
    let (list, tail) = list.split_once(']')?;
    let known = list.trim_start_matches('[').split(',').any(|word| word.trim() == event);
    let list = if known { format!("{list}]") } else { with_word(&format!("{list}]"), event)? };
    Some(format!("{head}\n    Listener: {before}Types: {list}{tail}"))
}

/// Describes the lists of the collection `name` in `openapi.yaml`: the row that says what they are asked by, and the
/// parameter, unless another collection calls its owner so too. `None` if there is no such table or list.
pub fn insert_collection(text: &str, name: &str) -> Option<String> {
    const PARAMETER: &str = "        - { name: openedBy, in: query, ";
    let row = format!("        | `{name}` | `openedBy` | `status`: `open`, `closed` |");
    let text = insert(text, "        | --- | --- | --- |", "", &row)?;
    if text.contains(PARAMETER) {
        return Some(text);
    }
    let parameter =
        format!("{PARAMETER}description: \"The owner, where it is called so.\", schema: {{ type: string }} }}");
    insert(&text, "        - { $ref: \"#/components/parameters/Collection\" }", "        - name: limit", &parameter)
}

/// The line, with `word` in its list where it sorts.
fn with_word(line: &str, word: &str) -> Option<String> {
    let (head, rest) = line.split_once('[')?;
    let (list, tail) = rest.split_once(']')?;
    let mut words: Vec<&str> = list.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    words.push(word);
    words.sort_unstable();
    Some(format!("{head}[{}]{tail}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Ours\ncatalog = 1\norders = 1\n\n# Others\nserde = 1\n";

    #[test]
    fn a_line_goes_where_it_sorts() {
        let inserted = |line| insert(TEXT, "# Ours", "", line).expect("a list");
        assert_eq!(inserted("lambda = 1"), TEXT.replace("orders", "lambda = 1\norders"));
        assert_eq!(inserted("zebras = 1"), TEXT.replace("orders = 1\n", "orders = 1\nzebras = 1\n"));
        assert_eq!(insert("[a]\nb\n", "[a]", "", "c"), Some("[a]\nb\nc\n".to_owned()));
    }

    #[test]
    fn a_context_joins_every_loop_over_contexts() {
        let text = "A:\n  - Queue\n  - [x, y]\nB:\n  - Context\n  - [orders, policies]\nC:\n    - Context\n    - [orders, policies] # all\n";
        let expected = text.replace("[orders, policies]", "[claims, orders, policies]");
        assert_eq!(insert_word(text, "Context", "claims"), Some(expected));
    }

    #[test]
    fn a_contexts_queues_join_every_list_of_such_queues() {
        let list = |items: &str| format!("A: {{ Resource: [{items}] }}\n  Of: [!GetAtt TimersDeadLetters.Arn]\n");
        let of =
            |contexts: &[&str]| contexts.iter().map(|it| format!("!GetAtt {it}DeadLetters.Arn")).collect::<Vec<_>>();
        let text = list(&format!("\n        {}", of(&["checks", "orders", "policies"]).join(", ")));
        let lines = [of(&["checks", "claims", "orders"]).join(", "), of(&["policies"]).join(", ")];
        let expected = list(&format!("\n        {}", lines.join(",\n        ")));
        assert_eq!(insert_queue(&text, "DeadLetters", "claims"), Some(expected));
        assert_eq!(insert_queue(&text, "Commands", "claims"), None);
    }

    #[test]
    fn the_listener_gets_an_event_once() {
        let text =
            "A:\n  Subscribers:\n    Listener: { Name: listener,\n      Types: [B, D] }\n    Other: { Types: [X] }\n";
        assert_eq!(insert_heard(text, "C"), Some(text.replace("[B, D]", "[B, C, D]")));
        assert_eq!(insert_heard(text, "D").as_deref(), Some(text));
        assert_eq!(insert_heard("    Listener: { Name: listener }\n", "C"), None);
    }

    #[test]
    fn a_collection_gets_its_row_and_a_parameter_that_it_may_share() {
        let text = concat!(
            "        | --- | --- | --- |\n        | `orders` | `customer` | `status` |\n\n",
            "        - { $ref: \"#/components/parameters/Collection\" }\n",
            "        - { name: customer, in: query, schema: { type: string } }\n",
            "        - { name: status, in: query, schema: { type: string } }\n",
            "        - name: limit\n",
        );
        let one = insert_collection(text, "claims").expect("a table and a list");
        assert!(
            one.contains("| --- |\n        | `claims` | `openedBy` | `status`: `open`, `closed` |\n        | `orders`")
        );
        let both = insert_collection(&one, "parcels").expect("a table and a list");
        assert!(both.contains("`status` |\n        | `parcels` | `openedBy`"), "{both}");
        assert_eq!(both.matches("name: openedBy").count(), 1, "{both}");
        assert!(both.find("name: customer") < both.find("name: openedBy"), "{both}");
        assert!(both.find("name: openedBy") < both.find("name: status"), "{both}");
    }

    #[test]
    fn a_file_of_another_shape_is_left_to_people() {
        assert_eq!(insert(TEXT, "# Mine", "", "x"), None);
        assert_eq!(insert_word("- Context\n- !Ref Contexts\n", "Context", "x"), None);
        assert_eq!(insert_word("- Queue\n- [x]\n", "Context", "x"), None);
        assert_eq!(insert_collection("paths: {}\n", "x"), None);
    }
}
