//! A media type as HTTP writes it (RFC 9110, sections 5.6.6 and 8.3.1): RFC 2045's, section 5.1, where a semicolon too many
//! does no harm.

use std::collections::BTreeSet;

/// As much of a media type as events need: is it JSON, and in which charset?
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MediaType {
    /// `type/subtype`, in lower case.
    essence: String,
    /// In lower case.
    charset: Option<String>,
    /// All of it without semicolons too many, where there are any.
    tidied: Option<String>,
}

impl MediaType {
    /// `None` for whatever breaks the grammar: a media range (`*/*`), a repeated parameter, white space around `=` too.
    /// White space around a semicolon is fine.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ty, rest) = token(text)?;
        let (subtype, mut rest) = token(rest.strip_prefix('/')?)?;
        if ty == "*" || subtype == "*" {
            return None;
        }

        let (mut names, mut parameters) = (BTreeSet::new(), Vec::new());
        let mut charset = None;
        let mut stray = false;
        while !rest.is_empty() {
            let parameter = rest.trim_start_matches(BLANK).strip_prefix(';')?.trim_start_matches(BLANK);
            if parameter.is_empty() || parameter.starts_with(';') {
                stray = true;
                rest = parameter;
                continue;
            }
            let (name, after) = token(parameter)?;
            let (value, after) = value(after.strip_prefix('=')?)?;
            let name = name.to_ascii_lowercase();
            if name == "charset" {
                charset = Some(value.to_ascii_lowercase());
            }
            if !names.insert(name) {
                return None;
            }
            parameters.push(&parameter[..parameter.len() - after.len()]);
            rest = after;
        }
        let essence = &text[..ty.len() + 1 + subtype.len()];
        let tidied = stray.then(|| parameters.iter().fold(essence.to_owned(), |tidy, text| tidy + "; " + text));
        Some(Self { essence: essence.to_ascii_lowercase(), charset, tidied })
    }

    /// How to write it where there are semicolons too many, which RFC 2045 does not have; `None`: as it was.
    pub(super) fn tidied(&self) -> Option<&str> {
        self.tidied.as_deref()
    }

    pub(super) fn essence(&self) -> &str {
        &self.essence
    }

    /// A subtype of `json`, or one that ends in `+json` (JSON format, section 3.1).
    pub(super) fn is_json(&self) -> bool {
        self.essence.ends_with("/json") || self.essence.ends_with("+json")
    }

    /// The charset is UTF-8, or left to be.
    pub(super) fn is_utf8(&self) -> bool {
        self.charset.as_deref().is_none_or(|charset| charset == "utf-8")
    }
}

const BLANK: [char; 2] = [' ', '\t'];

/// The token at the start, which is never empty, and what follows it.
fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !is_token(byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte)
}

/// The parameter's value at the start, a token or a quoted string, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(value, rest)| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[index + 1..])),
            '\\' => value.push(characters.next().map(|(_, escaped)| escaped).filter(|c| is_quotable(*c))?),
            other if is_quotable(other) => value.push(other),
            _ => return None,
        }
    }
    None
}

fn is_quotable(character: char) -> bool {
    matches!(character, '\t' | ' '..='~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_what_rfc_2045_says_with_semicolons_as_http_has_them() {
        for valid in [
            "text/plain",
            "application/vnd.example.v1+xml",
            "text/plain; charset=utf-8",
            "text/plain;charset=utf-8 ; format=flowed",
            r#"multipart/mixed; boundary="a b;\"c\"""#,
            "x-a/x.b",
            "application/json;",
            "application/json ; ",
            "application/json;;charset=utf-8",
            "application/json; ;\tCharset=\"utf-8\" ;",
        ] {
            assert!(MediaType::parse(valid).is_some(), "{valid}");
        }
        for invalid in [
            "",
            "json",
            "application/",
            "/json",
            "application/json ",
            " application/json",
            "application /json",
            "application/json; charset",
            "application/json; charset=",
            "application/json; charset =utf-8",
            "application/json; charset=utf-8; CHARSET=utf-8",
            r#"application/json; charset="utf-8"#,
            r#"application/json; charset="utf-8" x"#,
            "application/json, text/plain",
            "*/*",
            "text/*",
            "text/pläin",
            "a/b/c",
        ] {
            assert!(MediaType::parse(invalid).is_none(), "{invalid}");
        }
    }

    #[test]
    fn semicolons_too_many_are_left_out_and_nothing_else_is() {
        let tidied = |text| MediaType::parse(text).and_then(|media_type| media_type.tidied().map(str::to_owned));
        assert_eq!(tidied("Application/JSON;").as_deref(), Some("Application/JSON"));
        assert_eq!(tidied("a/b;; x=1 ;Y=\"; ;\";").as_deref(), Some("a/b; x=1; Y=\"; ;\""));
        assert_eq!(tidied("a/b;x=1 ;  y=2"), None);
    }

    #[test]
    fn json_goes_by_subtype_or_suffix() {
        let is_json = |text| MediaType::parse(text).is_some_and(|media_type| media_type.is_json());
        for json in ["application/json", "text/json", "Application/LD+JSON; profile=x", "image/json"] {
            assert!(is_json(json), "{json}");
        }
        for other in ["text/plain", "application/json5", "application/json+xml", "application/jsonl"] {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn a_charset_may_be_quoted_and_in_any_case() {
        let is_utf8 = |text| MediaType::parse(text).is_some_and(|media_type| media_type.is_utf8());
        assert!(is_utf8("application/json"));
        assert!(is_utf8("application/json; Charset=\"UTF-8\""));
        assert!(!is_utf8("application/json; charset=utf-16"));
    }
}
