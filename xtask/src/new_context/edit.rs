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

/// Puts `context` into the list `[…]` of every loop over the contexts, which is the line after `- Context`. `None` if
/// there is no such loop, or one whose list is written otherwise.
pub fn insert_context(text: &str, context: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let loops: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].trim() == "- Context").collect();
    for at in &loops {
        let list = lines.get_mut(at + 1)?;
        *list = with_word(list, context)?;
    }
    (!loops.is_empty()).then(|| lines.join("\n") + "\n")
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
        assert_eq!(insert_context(text, "claims"), Some(expected));
    }

    #[test]
    fn a_file_of_another_shape_is_left_to_people() {
        assert_eq!(insert(TEXT, "# Mine", "", "x"), None);
        assert_eq!(insert_context("- Context\n- !Ref Contexts\n", "x"), None);
        assert_eq!(insert_context("- Queue\n- [x]\n", "x"), None);
    }
}
