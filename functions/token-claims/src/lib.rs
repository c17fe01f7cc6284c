//! Token claims: puts a user's tenant into their access token, before the stack's own user pool issues it.
//!
//! Cognito puts no custom attributes into access tokens by itself. This is its pre-token-generation trigger, of event
//! version `V2_0`. Whatever it answers is added to what Cognito would have issued anyhow; an error would keep everybody
//! from signing in, and so there is none.

use lambda::claims::{TENANT_ATTRIBUTE, tenant_claim};
use lambda::settings::Environment;
use serde_json::{Value, json};

/// Answers the trigger.
#[derive(Debug, Clone)]
pub struct TokenClaims {
    /// The claim that the API reads the tenant from.
    pub tenant_claim: String,
}

impl TokenClaims {
    /// `TENANT_CLAIM`, as the functions behind the API have it.
    pub fn from_environment(environment: &Environment) -> Self {
        Self { tenant_claim: tenant_claim(environment).to_owned() }
    }

    /// The event with its response. A user without a tenant, such as an operator of the platform, gets no claim.
    pub fn add_to(&self, mut event: Value) -> Value {
        let attribute =
            event["request"]["userAttributes"][TENANT_ATTRIBUTE].as_str().filter(|tenant| !tenant.is_empty());
        if let Some(tenant) = attribute {
            let claims = json!({ self.tenant_claim.as_str(): tenant });
            event["response"] = json!({
                "claimsAndScopeOverrideDetails": { "accessTokenGeneration": { "claimsToAddOrOverride": claims } },
            });
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = include_str!("../../../events/aws/token-claims.json");

    fn recorded() -> Value {
        serde_json::from_str(RECORDED).expect("the trigger's event is JSON")
    }

    fn answer(variables: &Environment, event: Value) -> Value {
        TokenClaims::from_environment(variables).add_to(event)
    }

    #[test]
    fn a_users_tenant_goes_into_their_access_token_and_all_else_stays() {
        let mut expected = recorded();
        expected["response"] = json!({ "claimsAndScopeOverrideDetails": {
            "accessTokenGeneration": { "claimsToAddOrOverride": { "custom:tenant": "acme" } },
        } });
        assert_eq!(answer(&Environment::of([]), recorded()), expected);
    }

    #[test]
    fn the_claim_is_the_one_that_the_api_reads() {
        let answer = answer(&Environment::of([("TENANT_CLAIM", "org_id")]), recorded());
        let claims = &answer["response"]["claimsAndScopeOverrideDetails"]["accessTokenGeneration"];
        assert_eq!(claims["claimsToAddOrOverride"], json!({ "org_id": "acme" }));
    }

    #[test]
    fn a_user_without_a_tenant_signs_in_without_the_claim() {
        for tenant in [Value::Null, json!("")] {
            let mut event = recorded();
            event["request"]["userAttributes"]["custom:tenant"] = tenant;
            assert_eq!(answer(&Environment::of([]), event.clone()), event);
        }
    }

    #[test]
    fn no_event_keeps_anybody_from_signing_in() {
        for event in [json!({}), json!(null), json!([]), json!("text"), json!({ "request": 1, "response": 2 })] {
            assert_eq!(answer(&Environment::of([]), event.clone()), event);
        }
    }
}
