//! Scopes: what a token lets its holder ask for, whoever that is.
//!
//! The API's authorizer asks for one of the scopes that a route takes. Functions look themselves as well, for a route may
//! serve more than one kind of request, and a template can be wrong.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

use kernel::problem::Problem;
use lambda_http::Request;
use tracing::Span;
use tracing::field::display;

use crate::caller::{Operator, Operators, claims};
use crate::claims::claim;
use crate::refusal::Refusal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Send commands, and follow them.
    Submit,
    /// Follow commands, and read documents, lists, totals and histories.
    Read,
    /// See to what is parked or dead.
    Operate,
}

/// Where a token says its scopes: RFC 8693, section 4.2, and what some providers have instead. The authorizer reads both.
const CLAIMS: [&str; 2] = ["scope", "scp"];

impl Scope {
    /// As tokens have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "waybill/submit",
            Self::Read => "waybill/read",
            Self::Operate => "waybill/operate",
        }
    }

    /// Whether the caller's token has it.
    pub fn is_in(self, request: &Request) -> bool {
        let claims = claims(request).unwrap_or_default();
        // The gateway writes a list as `[one two]`.
        let separates = |character| matches!(character, ' ' | ',' | '[' | ']');
        CLAIMS
            .iter()
            .filter_map(|name| claim(&claims, name))
            .any(|text| text.split(separates).any(|s| s == self.as_str()))
    }
}

/// Refuses a token that has none of these scopes (RFC 6750, section 3.1).
pub fn require(request: &Request, any_of: &[Scope]) -> Result<(), Problem> {
    if any_of.iter().any(|scope| scope.is_in(request)) {
        return Ok(());
    }
    let names: Vec<_> = any_of.iter().map(|scope| scope.as_str()).collect();
    Err(Problem::not_permitted(format!("the token lacks the scope {}", names.join(" or "))))
}

/// Who operates the platform, and notes it in the span. A tenant's operator is refused, and told why.
pub async fn platform_operator(operators: &Operators, request: &Request, why: &str) -> Result<Operator, Refusal> {
    let operator = operators.identify(request).await?;
    require(request, &[Scope::Operate])?;
    Span::current().record("operator", display(&operator.principal));
    if operator.tenant.is_some() {
        return Err(Problem::not_permitted(why).into());
    }
    Ok(operator)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use testkit::gateway;

    use super::*;

    fn request(claims: Option<&Value>) -> Request {
        let recorded = include_str!("../../../events/aws/query.json");
        gateway::request::<&str>(&gateway::event(recorded, "GET", "/orders/O-1", claims, None), &[])
    }

    #[test]
    fn a_scope_is_in_either_claim_as_a_text_or_as_a_list() {
        for claims in [
            json!({ "scope": "waybill/read" }),
            json!({ "scope": "openid waybill/submit waybill/read" }),
            json!({ "scp": "[waybill/submit waybill/read]" }),
            json!({ "scp": "[waybill/read]" }),
            json!({ "scope": "openid", "scp": "waybill/read" }),
        ] {
            assert!(require(&request(Some(&claims)), &[Scope::Read]).is_ok(), "{claims}");
        }
    }

    #[test]
    fn what_only_looks_like_a_scope_is_none() {
        for claims in [
            json!({}),
            json!({ "scope": "" }),
            json!({ "scope": "waybill/reader waybill/rea read waybill" }),
            json!({ "scope": "WAYBILL/READ" }),
            json!({ "scope": "other/waybill/read" }),
            json!({ "scopes": "waybill/read", "roles": "waybill/read" }),
            json!({ "scope": "waybill/submit" }),
        ] {
            let refused = require(&request(Some(&claims)), &[Scope::Read]);
            assert!(refused.is_err_and(|problem| problem.detail.contains("waybill/read")), "{claims}");
        }
        assert!(require(&request(None), &[Scope::Submit, Scope::Read]).is_err());
    }

    #[test]
    fn one_of_several_is_enough() {
        let claims = json!({ "scope": "waybill/submit" });
        assert!(require(&request(Some(&claims)), &[Scope::Read, Scope::Submit]).is_ok());
    }
}
