//! How people sign in at a page.

/// Where people sign in, by OAuth 2.0 with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    pub client_id: String,
    /// Base of `/oauth2/authorize`, `/oauth2/token` and `/oauth2/revoke`, without a slash at its end.
    url: String,
}

impl SignIn {
    /// `None` if the address is none that a page may be allowed to speak to.
    pub fn new(client_id: impl Into<String>, url: &str) -> Option<Self> {
        let url = url.trim_end_matches('/');
        origin(url, &["https", "http"])?;
        Some(Self { client_id: client_id.into(), url: url.to_owned() })
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        origin(&self.url, &["https", "http"]).unwrap_or_default()
    }

    /// What a page's `config.json` says of it.
    pub(crate) fn told(&self) -> [(&'static str, String); 4] {
        let Self { client_id, url } = self;
        [
            ("authorizeUrl", format!("{url}/oauth2/authorize")),
            ("tokenUrl", format!("{url}/oauth2/token")),
            ("revokeUrl", format!("{url}/oauth2/revoke")),
            ("clientId", client_id.clone()),
        ]
    }
}

/// Scheme, host and port of an address of one of these schemes that a content security policy can name. `None` if it is none.
pub(crate) fn origin<'a>(url: &'a str, schemes: &[&str]) -> Option<&'a str> {
    let (scheme, rest) = url.split_once("://")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/[]".contains(&byte);
    let host = rest.find('/').unwrap_or(rest.len());
    let fits = schemes.contains(&scheme) && host > 0 && rest.bytes().all(plain);
    fits.then(|| &url[..scheme.len() + 3 + host])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |url: &str| SignIn::new("c", url).map(|sign_in| sign_in.origin().to_owned());
        assert_eq!(origin("https://auth.example/"), Some("https://auth.example".into()));
        assert_eq!(origin("http://a/b"), Some("http://a".into()));
        assert_eq!(origin("http://localhost:9229/base/path"), Some("http://localhost:9229".into()));
        for bad in
            ["", "auth.example", "https://", "https:///x", "javascript:x", "https://a b", "https://a;script-src *"]
        {
            assert_eq!(origin(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_page_connects_to_sockets_alone() {
        assert_eq!(origin("wss://live.example/live", &["wss", "ws"]), Some("wss://live.example"));
        assert_eq!(origin("https://live.example/live", &["wss", "ws"]), None);
    }
}
