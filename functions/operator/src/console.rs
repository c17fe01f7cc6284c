//! `GET /console`: a page for operators, with its parts. It holds no data and needs no token: it asks the API for all
//! that it shows, with the token of whoever signs in.

use lambda::http::{asset, json, set};
use lambda::refusal::Answer;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use lambda_http::{Body, Request, Response};
use store::findings::Kind;

use crate::Desk;
use crate::refusal::nothing_here;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// By its name below `/console`: media type and text.
fn part(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "" => (HTML, include_str!("../console/index.html")),
        "console.css" => (CSS, include_str!("../console/console.css")),
        "console.js" => (JAVASCRIPT, include_str!("../console/console.js")),
        "dead-letters.js" => (JAVASCRIPT, include_str!("../console/dead-letters.js")),
        "finding.js" => (JAVASCRIPT, include_str!("../console/finding.js")),
        "findings.js" => (JAVASCRIPT, include_str!("../console/findings.js")),
        "group.js" => (JAVASCRIPT, include_str!("../console/group.js")),
        "jobs.js" => (JAVASCRIPT, include_str!("../console/jobs.js")),
        "json.js" => (JAVASCRIPT, include_str!("../console/json.js")),
        "message.js" => (JAVASCRIPT, include_str!("../console/message.js")),
        "overview.js" => (JAVASCRIPT, include_str!("../console/overview.js")),
        "page.js" => (JAVASCRIPT, include_str!("../console/page.js")),
        "parked.js" => (JAVASCRIPT, include_str!("../console/parked.js")),
        "rebuild.js" => (JAVASCRIPT, include_str!("../console/rebuild.js")),
        "rebuilds.js" => (JAVASCRIPT, include_str!("../console/rebuilds.js")),
        "repair.js" => (JAVASCRIPT, include_str!("../console/repair.js")),
        "session.js" => (JAVASCRIPT, include_str!("../console/session.js")),
        "shell.js" => (JAVASCRIPT, include_str!("../console/shell.js")),
        "together.js" => (JAVASCRIPT, include_str!("../console/together.js")),
        "trace.js" => (JAVASCRIPT, include_str!("../console/trace.js")),
        "traces.js" => (JAVASCRIPT, include_str!("../console/traces.js")),
        "verification.js" => (JAVASCRIPT, include_str!("../console/verification.js")),
        "verifications.js" => (JAVASCRIPT, include_str!("../console/verifications.js")),
        "webhook.js" => (JAVASCRIPT, include_str!("../console/webhook.js")),
        "webhooks.js" => (JAVASCRIPT, include_str!("../console/webhooks.js")),
        _ => return None,
    })
}

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
        let host_and_path = url.strip_prefix("https://").or(url.strip_prefix("http://"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/[]".contains(&byte);
        let fits = !host_and_path.starts_with('/') && !host_and_path.is_empty() && host_and_path.bytes().all(plain);
        fits.then(|| Self { client_id: client_id.into(), url: url.to_owned() })
    }

    /// Scheme, host and port.
    fn origin(&self) -> &str {
        let host = self.url.find("://").map_or(0, |scheme| scheme + 3);
        self.url[host..].find('/').map_or(&self.url, |path| &self.url[..host + path])
    }
}

impl Desk {
    /// `name` is what follows `/console/` in the path.
    pub(crate) fn console(&self, name: &str, request: &Request) -> Answer {
        if name == "config.json" { self.config() } else { self.part(name, request) }
    }

    fn config(&self) -> Answer {
        let SignIn { client_id, url } = self.sign_in.as_ref().ok_or_else(nothing_here)?;
        let config = serde_json::json!({
            "authorizeUrl": format!("{url}/oauth2/authorize"),
            "tokenUrl": format!("{url}/oauth2/token"),
            "revokeUrl": format!("{url}/oauth2/revoke"),
            "clientId": client_id,
            "scope": "openid waybill/operate",
            "collections": catalog::collections().collect::<Vec<_>>(),
            "findingKinds": Kind::ALL.map(Kind::as_str),
        });
        let mut answer = json(StatusCode::OK, &config);
        self.protect(&mut answer);
        Ok(answer)
    }

    fn part(&self, name: &str, request: &Request) -> Answer {
        let (media_type, text) = part(name).ok_or_else(nothing_here)?;
        let mut answer = asset(request, media_type, text.to_owned());
        self.protect(&mut answer);
        Ok(answer)
    }

    /// The page runs and asks for nothing but what is its own; and nobody frames it.
    fn protect(&self, answer: &mut Response<Body>) {
        let sign_in = self.sign_in.as_ref().map_or("", SignIn::origin);
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {sign_in}; \
             img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        set(answer, CONTENT_SECURITY_POLICY, &policy);
        set(answer, REFERRER_POLICY, "no-referrer");
    }
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
}
