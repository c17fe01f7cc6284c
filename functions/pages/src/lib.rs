//! The pages for people: the operators' console, the dashboard of reports, and the demo.
//!
//! A page holds no data and needs no token: it asks the API for all that it shows, with the token of whoever signs in. So
//! this function calls nothing, and has no rights.

mod parts;
mod settings;
mod sign_in;

use kernel::problem::Problem;
use lambda::http::{asset, json, set};
use lambda::refusal::{Answer, Refusal};
use lambda::routes::{Place, Route};
use lambda::trace;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json as value};
use store::findings::Kind;

pub use crate::sign_in::SignIn;

/// Serves pages.
#[derive(Debug)]
pub struct Pages {
    /// `None`: nobody can sign in.
    pub sign_in: Option<SignIn>,
    /// `None`: there is no demo.
    pub demo: Option<Demo>,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
}

/// What the demo speaks to, besides the API.
#[derive(Debug, Default)]
pub struct Demo {
    /// Where the page connects to with a ticket: scheme, host and port. `None`: the installation has no push.
    pub sockets: Option<String>,
    /// On a local stack, what makes trouble there: scheme, host and port.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Console,
    Dashboard,
    Demo,
    /// The client that the demo is made with: no page, but a part of one.
    Client,
}

/// Each page, and its parts.
pub const ROUTES: &[Route<Page>] = &[
    Route::get("/console", Page::Console),
    Route::get("/console/{file}", Page::Console),
    Route::get("/dashboard", Page::Dashboard),
    Route::get("/dashboard/{file}", Page::Dashboard),
    Route::get("/demo", Page::Demo),
    Route::get("/demo/{file}", Page::Demo),
    Route::get("/demo/waybill/{file}", Page::Client),
];

impl Pages {
    #[tracing::instrument(name = "pages", skip_all, fields(trace_id))]
    pub fn handle(&self, request: &Request) -> Response<Body> {
        trace::record(request);
        self.answer(request).unwrap_or_else(Refusal::into_response)
    }

    fn answer(&self, request: &Request) -> Answer {
        let place = Place::find(ROUTES, request, &self.public_url).ok_or_else(nothing_here)?;
        let (page, file) = (place.endpoint(request.method())?, place.value("file"));
        if matches!(page, Page::Demo | Page::Client) && self.demo.is_none() {
            return Err(nothing_here().into());
        }
        let mut answer = if file == "config.json" {
            json(StatusCode::OK, &self.config(page).ok_or_else(nothing_here)?)
        } else {
            let (media_type, text) = parts::part(page, file).ok_or_else(nothing_here)?;
            asset(request, media_type, text.to_owned())
        };
        self.protect(page, &mut answer);
        Ok(answer)
    }

    /// What a page is told: how it signs people in, and what it cannot ask the API for. `None` if nobody can sign in.
    fn config(&self, page: Page) -> Option<Value> {
        let mut config = match page {
            Page::Console => value!({
                "scope": "openid waybill/operate",
                "collections": catalog::collections().collect::<Vec<_>>(),
                "findingKinds": Kind::ALL.map(Kind::as_str),
            }),
            Page::Dashboard => value!({
                "scope": "openid waybill/read",
                // Those that have reports.
                "collections": catalog::collections().filter(|name| catalog::overview(name).is_none()).collect::<Vec<_>>(),
            }),
            Page::Demo => value!({
                "scope": "openid waybill/submit waybill/read",
                "push": self.demo.as_ref().is_some_and(|demo| demo.sockets.is_some()),
                "troubleUrl": self.demo.as_ref().and_then(|demo| demo.trouble.as_deref()),
            }),
            Page::Client => return None,
        };
        for (name, text) in self.sign_in.as_ref()?.told() {
            config[name] = text.into();
        }
        Some(config)
    }

    /// The page runs and asks for nothing but what is its own; and nobody frames it.
    fn protect(&self, page: Page, answer: &mut Response<Body>) {
        let mut spoken_to = vec!["'self'"];
        spoken_to.extend(self.sign_in.as_ref().map(SignIn::origin));
        if let (Page::Demo, Some(demo)) = (page, &self.demo) {
            spoken_to.extend([demo.sockets.as_deref(), demo.trouble.as_deref()].into_iter().flatten());
        }
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src {}; \
             img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            spoken_to.join(" ")
        );
        set(answer, CONTENT_SECURITY_POLICY, &policy);
        set(answer, REFERRER_POLICY, "no-referrer");
    }
}

fn nothing_here() -> Problem {
    Problem::not_found("nothing is here")
}
