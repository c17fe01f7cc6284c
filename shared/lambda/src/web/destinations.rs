//! Where requests may go whose URL a stranger chose.

use std::net::IpAddr;
use std::str::FromStr;

use lambda_http::http::Uri;
use lambda_http::http::uri::Scheme;

use super::address::refusal;

/// The longest URL, in bytes.
pub const LONGEST_URL: usize = 2048;

/// Names that no public DNS has: RFC 6761, section 6.3; RFC 6762, section 3; RFC 8375; and ICANN's `internal`, which AWS
/// uses.
const LOCAL_NAMES: [&str; 4] = ["localhost", "local", "home.arpa", "internal"];

/// Why nothing is sent to a URL. The messages are for whoever chose it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    #[error("the URL has more than {LONGEST_URL} bytes")]
    TooLong,
    #[error("the URL is malformed; it must begin with https:// and a host")]
    Malformed,
    #[error("the URL has no host")]
    NoHost,
    #[error("the URL is not https")]
    NotHttps,
    #[error("the URL has a user name or password")]
    UserInfo,
    #[error("the URL has a fragment, which is never sent")]
    Fragment,
    #[error("the URL's port must be a number from 1 to 65535")]
    Port,
    #[error("the URL's host must be a full domain name, with no dot at its end, or an IP address in its usual form")]
    Host,
    #[error("the URL's host is a name for local networks only")]
    LocalName,
    #[error("the address {0} is {1}")]
    Address(IpAddr, &'static str),
    /// Of a name, so only a request finds it out. Which address it is stays untold: it may come from a private DNS.
    #[error("the URL's host has no public address: what it has is {0}")]
    HostNotPublic(&'static str),
}

/// Public hosts by https, at any port, and the origins that an installation adds.
///
/// Any port: many receivers listen elsewhere than at 443. A service that is no HTTPS server gets a TLS greeting and
/// nothing else, and it is one that everybody on the internet can reach.
#[derive(Debug, Clone, Default)]
pub struct Destinations {
    added: Vec<Origin>,
}

/// Scheme, host in lower case, and port (RFC 6454, section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// What must be checked of a destination before a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Its addresses must be public.
    Public,
    /// Nothing: the installation added the origin.
    Added,
}

/// Why a setting does not say origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be origins such as http://127.0.0.1:8080, separated by spaces")]
pub struct BadOrigins;

impl Destinations {
    /// Public hosts alone.
    pub fn public() -> Self {
        Self::default()
    }

    /// The URL, if requests may go there. Looks no name up: a name that leads to an address which is not public passes
    /// here, and the request then fails.
    pub fn check(&self, url: &str) -> Result<Uri, BadUrl> {
        self.way(url).map(|(uri, _)| uri)
    }

    /// The same, with how to go there.
    pub(super) fn way(&self, url: &str) -> Result<(Uri, Way), BadUrl> {
        if url.len() > LONGEST_URL {
            return Err(BadUrl::TooLong);
        }
        if url.contains('#') {
            return Err(BadUrl::Fragment);
        }
        let uri: Uri = url.parse().map_err(|_| BadUrl::Malformed)?;
        let origin = Origin::of(&uri)?;
        if self.added.contains(&origin) {
            return Ok((uri, Way::Added));
        }
        if origin.scheme != Scheme::HTTPS {
            return Err(BadUrl::NotHttps);
        }
        check_host(&origin.host)?;
        Ok((uri, Way::Public))
    }

    /// Whether the installation added no origin.
    pub(super) fn is_public_only(&self) -> bool {
        self.added.is_empty()
    }
}

/// Origins that an installation adds, separated by spaces: `http://127.0.0.1:8080 https://hooks.corp.example`. They may be
/// plain http, and private. None is public hosts alone.
impl FromStr for Destinations {
    type Err = BadOrigins;

    fn from_str(text: &str) -> Result<Self, BadOrigins> {
        let origin = |text: &str| {
            let uri: Uri = text.parse().map_err(|_| BadOrigins)?;
            let is_origin = uri.path() == "/" && uri.query().is_none() && !text.contains('#');
            let origin = Origin::of(&uri).map_err(|_| BadOrigins)?;
            if is_origin { Ok(origin) } else { Err(BadOrigins) }
        };
        Ok(Self { added: text.split_whitespace().map(origin).collect::<Result<_, _>>()? })
    }
}

impl Origin {
    fn of(uri: &Uri) -> Result<Self, BadUrl> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(BadUrl::Malformed) };
        if authority.as_str().contains('@') {
            return Err(BadUrl::UserInfo);
        }
        let default_port = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return Err(BadUrl::NotHttps),
        };
        let host = authority.host();
        if host.is_empty() {
            return Err(BadUrl::NoHost);
        }
        // `Uri::port` has none where it cannot read one, and the connection would go to the default port.
        let port = match authority.as_str().strip_prefix(host) {
            Some("") => default_port,
            rest => rest.and_then(port).ok_or(BadUrl::Port)?,
        };
        Ok(Self { scheme: scheme.clone(), host: host.to_ascii_lowercase(), port })
    }
}

/// Of `:8080`.
fn port(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(':')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok().filter(|port| *port > 0))?
}

/// An address that is public, or a name that may have one. An address must be written as the connector reads it, which
/// takes all else for a name; the system's resolver would then read `127.1` or `0x7f.1` as an address again.
fn check_host(host: &str) -> Result<(), BadUrl> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse() {
        return refusal(address).map_or(Ok(()), |what| Err(BadUrl::Address(address, what)));
    }
    let is_below = |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if LOCAL_NAMES.into_iter().any(is_below) {
        return Err(BadUrl::LocalName);
    }
    if is_full_name(host) { Ok(()) } else { Err(BadUrl::Host) }
}

/// Letters, digits and hyphens (RFC 1123, section 2.1) in two labels or more. The last one begins with a letter, as all do
/// in DNS: what ends in a number is an address to some.
fn is_full_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(fits) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = host.rsplit_once('.').map(|(_, last)| last);
    let named = last.is_some_and(|last| last.starts_with(|first: char| first.is_ascii_alphabetic()));
    host.len() <= 253 && named && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
