//! Text that strangers choose and people read.

use unicode_general_category::{GeneralCategory, get_general_category};

/// Whether readers see the character as what it is. Not so control characters, what formats (bidirectional overrides,
/// zero widths, tags), separators of lines, noncharacters, and what Unicode gives no meaning: they hide text, or change
/// how the text around them looks.
pub fn is_visible(character: char) -> bool {
    !matches!(
        get_general_category(character),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    )
}

/// What is visible of a text: at most so many characters, without white space at either end. May be empty.
pub fn visible(text: &str, most: usize) -> String {
    let visible: String = text.chars().filter(|character| is_visible(*character)).collect();
    let clipped: String = visible.trim().chars().take(most).collect();
    clipped.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_turns_text_is_not_visible() {
        let hidden = [
            '\0',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{85}', // controls
            '\u{ad}',
            '\u{200b}',
            '\u{200d}',
            '\u{2060}',
            '\u{feff}',
            '\u{e0041}', // no width
            '\u{61c}',
            '\u{200e}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}', // direction
            '\u{2028}',
            '\u{2029}', // lines
            '\u{fdd0}',
            '\u{fffe}',
            '\u{10ffff}',
            '\u{e000}', // no characters
        ];
        for character in hidden {
            assert!(!is_visible(character), "{character:?}");
        }
        for character in ['a', ' ', '\u{a0}', 'é', '\u{301}', '\u{5d0}', '中', '😀', '\u{fffd}'] {
            assert!(is_visible(character), "{character:?}");
        }
    }

    #[test]
    fn a_text_is_cleaned_then_clipped() {
        assert_eq!(visible("\u{202e}Jane\n\u{200b} Doe\t", 64), "Jane Doe");
        assert_eq!(visible("ab cd", 3), "ab", "no white space at the end");
        assert_eq!(visible("éééé", 2), "éé", "characters, not bytes");
        assert_eq!(visible("\u{202e}\u{200b} \n", 64), "");
    }
}
