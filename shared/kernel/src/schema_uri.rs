//! Addresses of schemas: what `dataschema` names a version of a message's schema by.

use std::fmt;

/// A version of a message's schema, as its address names it: `{public URL}/schemas/{context}/{name}/{version}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaUri<'a> {
    pub context: &'a str,
    /// The message's name.
    pub name: &'a str,
    pub version: u32,
}

impl<'a> SchemaUri<'a> {
    /// Reads an address, whatever public URL it begins with: an installation may have had another one when a message was
    /// sealed.
    pub fn read(uri: &'a str) -> Option<Self> {
        Self::read_below(uri.rsplit_once("/schemas/")?.0, uri)
    }

    /// Reads an address of the installation with this public URL.
    pub fn read_below(public_url: &str, uri: &'a str) -> Option<Self> {
        let path = uri.strip_prefix(public_url)?.strip_prefix("/schemas/")?;
        let (context, path) = path.split_once('/')?;
        let (name, version) = path.split_once('/')?;
        Some(Self { context, name, version: version.parse().ok()? })
    }

    /// The address in an installation with this public URL, which has no slash at its end.
    pub fn below(&self, public_url: &str) -> String {
        format!("{public_url}{self}")
    }
}

/// The path below the public URL.
impl fmt::Display for SchemaUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, name, version } = self;
        write!(f, "/schemas/{context}/{name}/{version}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_made_whatever_the_public_url() {
        let schema = SchemaUri { context: "orders", name: "SubmitOrder", version: 2 };
        for public_url in ["https://api.example", "http://localhost:4566/_aws/execute-api/a1/$default"] {
            let uri = schema.below(public_url);
            assert_eq!((SchemaUri::read(&uri), SchemaUri::read_below(public_url, &uri)), (Some(schema), Some(schema)));
            assert_eq!(SchemaUri::read_below("https://evil.example", &uri), None);
            assert_eq!(SchemaUri::read_below(public_url, &schema.below(&format!("{public_url}/schemas/evil"))), None);
        }
        for other in [
            "",
            "/schemas",
            "https://a/schemas/orders/2",
            "https://a/schemas/orders/SubmitOrder/x",
            "https://a/orders/SubmitOrder/2",
        ] {
            assert_eq!(SchemaUri::read(other), None, "{other}");
        }
    }
}
