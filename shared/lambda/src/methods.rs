//! Which methods a path has, and the refusal of any other.

use kernel::problem::Problem;
use lambda_http::http::Method;
use lambda_http::http::header::ALLOW;
use lambda_http::{Body, Response};

use crate::http::{problem, set};

/// The methods of a path, as `Allow` lists them (RFC 9110, section 10.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Methods(&'static str);

impl Methods {
    /// To be read. HEAD reaches a function as GET (see [`gateway`](crate::gateway)).
    pub const READ: Self = Self("GET, HEAD");
    /// To be acted on.
    pub const ACT: Self = Self("POST");
    /// To hand something in. CloudEvents webhooks 1.0.2, section 2.1, have POST; some senders deliver by PUT.
    pub const HAND_IN: Self = Self("OPTIONS, POST, PUT");

    pub fn include(self, method: &Method) -> bool {
        self.0.split(", ").any(|allowed| allowed == method.as_str())
    }

    /// The answer to any other method, with `Allow`.
    pub fn refusal(self) -> Response<Body> {
        let mut answer = problem(&self.problem());
        set(&mut answer, ALLOW, self.0);
        answer
    }

    /// What the answer to any other method says.
    pub fn problem(self) -> Problem {
        Problem::method_not_allowed(format!("the methods here are: {self}"))
    }

    /// As the header `Allow` lists them.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for Methods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
