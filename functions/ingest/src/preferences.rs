//! What a client would rather have (RFC 7240).

use lambda_http::http::HeaderMap;

/// Whether the client wants no body: `Prefer: return=minimal` (section 4.2). Event brokers ask for that: some of them take
/// any body but a CloudEvent for a failure, and deliver again.
pub(crate) fn prefers_minimal(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferences = preferences.flat_map(|list| split(list, ','));
    // The first of a name counts (section 2).
    let mut returns = preferences.filter_map(|preference| {
        let (name, value) = split(preference, ';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("return").then(|| value.trim().trim_matches('"'))
    });
    returns.next().is_some_and(|value| value.eq_ignore_ascii_case("minimal"))
}

/// The parts between separators outside of quoted strings (RFC 9110, section 5.6.4).
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character: char| {
        let separates = !quoted && character == separator;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", value.parse().expect("a header's value"));
        }
        prefers_minimal(&headers)
    }

    #[test]
    fn a_preference_is_found_wherever_it_stands() {
        for values in [
            &["return=minimal"][..],
            &["Return = Minimal"],
            &[r#"return="minimal""#],
            &["respond-async, return=minimal"],
            &["respond-async", "return=minimal; foo=bar"],
            &[r#"a="x, return=representation", return=minimal"#],
            &[r#"a="\", return=representation", return=minimal"#],
            &["return=minimal, return=representation"],
        ] {
            assert!(minimal(values), "{values:?}");
        }
    }

    #[test]
    fn anything_else_is_no_such_preference() {
        assert!(!minimal(&[]));
        for values in [
            &[""][..],
            &["return"],
            &["return=representation"],
            &["return=representation, return=minimal"],
            &["x; return=minimal"],
            &[r#"x="return=minimal""#],
            &[r#"x=", return=minimal"#],
            &[r#"x=\", return=minimal""#],
            &["returns=minimal"],
        ] {
            assert!(!minimal(values), "{values:?}");
        }
    }
}
