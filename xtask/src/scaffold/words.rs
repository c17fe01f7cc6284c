//! Names of words, as in `price-list`.

/// A name in the forms that files need.
#[derive(Debug)]
pub struct Words {
    /// As given: `price-list`.
    pub name: String,
    /// Of types, and of resources: `PriceList`.
    pub id: String,
}

impl Words {
    /// `None` if these are no words of lower-case letters and digits, each of which begins with a letter.
    pub fn parse(name: &str) -> Option<Self> {
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let all = name.split('-').all(is_word);
        all.then(|| Self { name: name.to_owned(), id: name.split('-').map(capitalised).collect() })
    }

    /// Puts the name into `text` for `__name__`, `__Name__` and `__crate__`.
    pub fn fill_in(&self, text: &str) -> String {
        text.replace("__crate__", &self.name.replace('-', "_"))
            .replace("__name__", &self.name)
            .replace("__Name__", &self.id)
    }
}

pub fn capitalised(word: &str) -> String {
    word[..1].to_ascii_uppercase() + &word[1..]
}
