//! Routes: which requests a function answers, and the refusal of every other method.

use lambda_http::Request;
use lambda_http::http::Method;

use crate::refusal::Refusal;
use crate::request::path;

/// A method and a path that a function answers, and its endpoint there.
///
/// Each function has one table of routes, and one `match` on their endpoints: the compiler refuses a route that nothing
/// answers, and nothing is answered without a route.
#[derive(Debug, Clone)]
pub struct Route<E> {
    pub method: Method,
    /// As `openapi.yaml` writes it: `{name}` stands for one segment, which is not empty.
    pub path: &'static str,
    pub endpoint: E,
}

impl<E> Route<E> {
    pub const fn new(method: Method, path: &'static str, endpoint: E) -> Self {
        Self { method, path, endpoint }
    }

    /// HEAD reaches a function as GET (see [`gateway`](crate::gateway)).
    pub const fn get(path: &'static str, endpoint: E) -> Self {
        Self::new(Method::GET, path, endpoint)
    }

    pub const fn post(path: &'static str, endpoint: E) -> Self {
        Self::new(Method::POST, path, endpoint)
    }

    fn fits(&self, path: &str) -> bool {
        let segments = path.split('/');
        let one = |(name, segment): (&str, &str)| name == segment || (name.starts_with('{') && !segment.is_empty());
        segments.clone().count() == names(self.path).count() && names(self.path).zip(segments).all(one)
    }
}

/// The segments of a route's path.
fn names(path: &'static str) -> impl Iterator<Item = &'static str> + Clone {
    path.trim_start_matches('/').split('/')
}

/// The path of a request, as a table of routes has it.
#[derive(Debug)]
pub struct Place<E: 'static> {
    /// One for each method.
    routes: Vec<&'static Route<E>>,
    /// The request's segments, each with its name in the routes' path.
    segments: Vec<(&'static str, String)>,
}

impl<E: Copy> Place<E> {
    /// `None` where no route has the path. Where two fit, the more literal one counts, as in `OpenAPI`:
    /// `/parked/outcomes`, and not `/parked/{id}`.
    pub fn find(routes: &'static [Route<E>], request: &Request, public_url: &str) -> Option<Self> {
        let path = path(request, public_url);
        let fitting = routes.iter().filter(|route| route.fits(&path)).map(|route| route.path);
        let template = fitting.min_by_key(|template| template.matches('{').count())?;
        Some(Self {
            routes: routes.iter().filter(|route| route.path == template).collect(),
            segments: names(template).zip(path.split('/').map(str::to_owned)).collect(),
        })
    }

    /// The segment at the placeholder of this name; empty where the path has no such placeholder.
    pub fn value(&self, name: &str) -> &str {
        let is_named =
            |template: &str| template.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) == Some(name);
        self.segments.iter().find(|(template, _)| is_named(template)).map_or("", |(_, segment)| segment)
    }

    /// The methods of the path, as `Allow` lists them (RFC 9110, section 10.2.1).
    pub fn allow(&self) -> String {
        let methods = self.routes.iter().map(|route| match route.method {
            Method::GET => "GET, HEAD",
            ref method => method.as_str(),
        });
        methods.collect::<Vec<_>>().join(", ")
    }

    /// What answers the method here.
    pub fn endpoint(&self, method: &Method) -> Result<E, Refusal> {
        let route = self.routes.iter().find(|route| route.method == *method);
        route.map(|route| route.endpoint).ok_or_else(|| Refusal::method_not_allowed(self.allow()))
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::http::StatusCode;
    use lambda_http::http::header::ALLOW;
    use testkit::gateway;

    use super::*;

    const ROUTES: &[Route<&str>] = &[
        Route::get("/parked/{id}", "one"),
        Route::post("/parked/outcomes", "outcomes"),
        Route::get("/parked/{id}/revisions/{revision}", "revision"),
        Route::post("/parked/{id}/discard", "discard"),
        Route::new(Method::PUT, "/parked/outcomes", "outcomes again"),
    ];

    fn find(path: &str) -> Option<Place<&'static str>> {
        let recorded = include_str!("../../../events/aws/query.json");
        let request = gateway::request::<&str>(&gateway::event(recorded, "GET", path, None, None), &[]);
        Place::find(ROUTES, &request, "https://api.example/base")
    }

    #[test]
    fn the_most_literal_path_counts_and_says_its_methods() {
        let place = find("/base/parked/outcomes/").expect("a path");
        assert_eq!(place.endpoint(&Method::POST).ok(), Some("outcomes"));
        assert_eq!(place.endpoint(&Method::PUT).ok(), Some("outcomes again"));
        let refused = place.endpoint(&Method::GET).expect_err("no such method").into_response();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[ALLOW], "POST, PUT");
        assert_eq!(find("/parked/x").expect("a path").allow(), "GET, HEAD");
    }

    #[test]
    fn placeholders_have_values() {
        let place = find("/parked/x-1/revisions/3").expect("a path");
        assert_eq!((place.value("id"), place.value("revision"), place.value("parked")), ("x-1", "3", ""));
    }

    #[test]
    fn what_no_route_has_is_no_path() {
        for path in [
            "/",
            "/parked",
            "/parked//discard",
            "/parked/x/history",
            "/parked/x/revisions",
            "/parkedx/y",
            "/x/parked/y",
        ] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
