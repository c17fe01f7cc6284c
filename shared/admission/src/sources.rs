//! Sources and what they begin with, compared in one spelling.
//!
//! Only grants and routes are compared so. A command is known by its source letter for letter, as it was sent.

use fluent_uri::UriRef;

/// A source in the spelling that RFC 3986, section 6.2.2, makes of every one of its spellings: scheme and host in lower
/// case, nothing percent-encoded that need not be, no dot segments; and without its scheme's usual port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(String);

/// Why a source can be compared with nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    #[error("it is no URI reference")]
    NoUri,
    /// `https://shop.example:443@evil.example/` looks like another host's.
    #[error("it has user information before its host")]
    UserInformation,
    /// Where they lead depends on a base, and there is none.
    #[error("it has dot segments in a path without a scheme or a root")]
    DotSegments,
}

impl Source {
    pub fn of(text: &str) -> Result<Self, Incomparable> {
        let uri = UriRef::parse(text).map_err(|_| Incomparable::NoUri)?;
        if uri.authority().is_some_and(|authority| authority.has_userinfo()) {
            return Err(Incomparable::UserInformation);
        }
        let rooted = uri.has_scheme() && uri.path().as_str().starts_with('/');
        let normal = uri.normalize();
        if !rooted && normal.path().as_str().split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(Incomparable::DotSegments);
        }
        Ok(Self(normal.into_string()))
    }

    /// Whether this is `prefix`, or lies below it: `https://shop.example` covers `https://shop.example/x`, and not
    /// `https://shop.example.org`.
    pub fn begins_with(&self, prefix: &Prefix) -> bool {
        let Some(rest) = self.0.strip_prefix(&prefix.text) else { return false };
        match rest.bytes().next() {
            None => true,
            Some(b':') if prefix.ends_in_port => false,
            Some(next) => separates(next) || prefix.text.bytes().last().is_some_and(separates),
        }
    }
}

fn separates(byte: u8) -> bool {
    matches!(byte, b'/' | b':' | b'?' | b'#')
}

/// What sources begin with, in the same spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    text: String,
    /// Then it covers no other port, even where it is the usual one, which the text leaves out.
    ends_in_port: bool,
}

impl Prefix {
    /// `None` for what covers nothing: an empty one, and what can be compared with nothing.
    pub fn of(text: &str) -> Option<Self> {
        let Source(normal) = Source::of(text).ok().filter(|_| !text.is_empty())?;
        let uri = UriRef::parse(text).ok()?;
        let ends_in_host = uri.path().is_empty() && !uri.has_query() && !uri.has_fragment();
        let ends_in_port = ends_in_host && uri.authority().is_some_and(|authority| authority.has_port());
        Some(Self { text: normal, ends_in_port })
    }

    /// How narrow it is: of two that cover a source, the longer one says more.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(prefix: &str, source: &str) -> bool {
        let (prefix, source) = (Prefix::of(prefix), Source::of(source));
        prefix.is_some_and(|prefix| source.is_ok_and(|source| source.begins_with(&prefix)))
    }

    #[test]
    fn a_prefix_ends_where_a_name_ends() {
        assert!(covers("https://shop.example", "https://shop.example"));
        assert!(covers("https://shop.example", "https://shop.example:8443/x"));
        assert!(covers("https://shop.example", "https://shop.example?x"));
        assert!(covers("urn:shop:", "urn:shop:1"));
        assert!(covers("urn:shop", "urn:shop:1"));
        assert!(covers("/ops", "/ops/desk"));
        assert!(covers("orders", "orders#1"));
        assert!(!covers("https://shop.example", "https://shop.example.org/"));
        assert!(!covers("/shop", "/shopping"));
        assert!(!covers("", "/x") && !covers("", "x"), "an empty prefix covers nothing");
    }

    #[test]
    fn spellings_of_one_uri_are_one_source() {
        for prefix in
            ["https://shop.example/team-a/", "HTTPS://Shop.Example:443/team%2Da/", "https://shop.example/x/../team-a/"]
        {
            for source in [
                "https://shop.example/team-a/x",
                "HTTPS://SHOP.example/team-a/x",
                "https://shop.example:443/team-a/x",
                "https://shop.example:/team-a/x",
                "https://shop.example/%74eam-a/x",
                "https://shop.example/team-b/../team-a/x",
                "https://shop.example/team-b/%2e%2E/team-a/x",
                "https://shop.example/./team-a/./x",
                "https://shop.example/../../team-a/x",
                "https://%73hop.example/team-a/x",
            ] {
                assert!(covers(prefix, source), "{prefix} {source}");
            }
        }
        assert!(covers("https://shop.example/%c3%a4", "https://shop.example/%C3%A4/x"));
    }

    #[test]
    fn a_path_that_climbs_out_of_a_prefix_is_not_below_it() {
        for source in [
            "https://shop.example/team-a/../team-b/x",
            "https://shop.example/team-a/%2e%2e/team-b/x",
            "https://shop.example/team-a/.%2E/team-b/x",
            "https://shop.example/team-a/x/../../team-b",
            "https://shop.example/team-a/..",
            "https://shop.example/team-a%2Fx",
        ] {
            assert!(!covers("https://shop.example/team-a/", source), "{source}");
        }
    }

    #[test]
    fn a_port_that_a_prefix_names_is_no_other() {
        assert!(covers("https://shop.example:443", "https://shop.example/x"));
        assert!(!covers("https://shop.example:443", "https://shop.example:8443/x"));
        assert!(!covers("https://shop.example:80", "https://shop.example:8080/x"));
        assert!(covers("https://shop.example:443/tills", "https://shop.example/tills:4"));
        assert!(!covers("http://shop.example", "https://shop.example/x"));
    }

    #[test]
    fn user_information_and_dot_segments_without_a_root_are_compared_with_nothing() {
        for source in ["https://shop.example:pw@evil.example/x", "https://u@shop.example/x", "https://@shop.example/"] {
            assert_eq!(Source::of(source), Err(Incomparable::UserInformation), "{source}");
            assert_eq!(Prefix::of(source), None, "{source}");
        }
        for source in ["/ops/../admin", "../orders", "./x", "a/%2e%2e/b", "urn:a/../b", "//shop.example/a/../b"] {
            assert_eq!(Source::of(source), Err(Incomparable::DotSegments), "{source}");
            assert_eq!(Prefix::of(source), None, "{source}");
        }
        assert_eq!(Prefix::of("https://shop.example/ä"), None);
        assert!(Source::of("/ops/..x/.y").is_ok(), "these are names");
    }
}
