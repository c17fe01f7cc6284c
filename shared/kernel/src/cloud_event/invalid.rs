//! Why something is not a valid event, in words for whoever sent it.

use std::borrow::Cow;

/// One fault, to be shown to a client's developer. `Display` reads as a sentence: `id must not be empty`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {detail}", self.at_fault())]
pub struct Invalid {
    attribute: Option<String>,
    detail: Cow<'static, str>,
}

impl Invalid {
    /// A name longer than this, in characters, is cut: it comes from outside, and goes into answers and logs.
    pub const LONGEST_NAME: usize = 64;

    /// The attribute as the client spelled it (`id`, `ce-time`, `content-type`), or `data`; `None` where the event as a
    /// whole is at fault. Safe to show: at most [`Self::LONGEST_NAME`] characters, and U+FFFD for control characters.
    pub fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }

    /// What is wrong and what to change, to be read after the attribute's name: `must not be empty`.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn attributed(attribute: &str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { attribute: Some(clipped(attribute)), detail: detail.into() }
    }

    pub(super) fn event(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { attribute: None, detail: detail.into() }
    }

    /// The same fault under the name that the attribute has elsewhere, such as in a header.
    pub(super) fn renamed(self, rename: impl FnOnce(String) -> String) -> Self {
        Self { attribute: self.attribute.map(rename), detail: self.detail }
    }

    fn at_fault(&self) -> &str {
        match self.attribute() {
            None => "the event",
            Some("") => r#""""#,
            Some(name) => name,
        }
    }
}

/// Text from outside, cut to [`Invalid::LONGEST_NAME`] and marked where it was, with U+FFFD for control characters.
pub(super) fn clipped(text: &str) -> String {
    let mut clipped = match text.char_indices().nth(Invalid::LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    if clipped.contains(char::is_control) {
        clipped = clipped.replace(char::is_control, "\u{fffd}");
    }
    clipped
}
