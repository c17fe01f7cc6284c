//! What a verified token's claims say: whether it is a client's own or a user's, and whose.

use std::collections::HashMap;
use std::str::FromStr;

use kernel::ids::InvalidId;
use kernel::principal::{Principal, PrincipalKind};

use crate::settings::{BadSetting, Environment, invalid};

/// A token's claims as the HTTP API hands them over: all are text.
pub type Claims = HashMap<String, String>;

/// Where an identity provider's tokens say who calls.
#[derive(Debug, Clone)]
pub struct ClaimRules {
    /// Names the claim that holds the tenant in users' tokens.
    pub tenant: String,
    pub machine_tokens: MachineTokens,
}

impl ClaimRules {
    /// `TENANT_CLAIM` and `MACHINE_TOKENS`, with the defaults that `docs/deploy.md` names.
    pub fn from_environment(environment: &Environment) -> Result<Self, BadSetting> {
        const MACHINE_TOKENS: &str = "MACHINE_TOKENS";
        let mut rules = Self { tenant: tenant_claim(environment).to_owned(), ..Self::default() };
        if let Some(text) = environment.optional(MACHINE_TOKENS) {
            rules.machine_tokens = text.parse().map_err(|why| invalid(MACHINE_TOKENS, why))?;
        }
        Ok(rules)
    }

    /// Who calls: the client in its own token, else the user whom `sub` names. `None`: the token names neither.
    pub(crate) fn principal(&self, claims: &Claims) -> Result<Option<Principal>, InvalidId> {
        let named = match self.machine_tokens.client(claims) {
            Some(client) => Some((client, PrincipalKind::ServiceAccount)),
            None => claim(claims, "sub").map(|sub| (sub, PrincipalKind::User)),
        };
        named.map(|(id, kind)| Principal::new(id, kind)).transpose()
    }
}

impl Default for ClaimRules {
    fn default() -> Self {
        let machine_tokens = MachineTokens::DEFAULT.parse().expect("the default is a list of rules");
        Self { tenant: TENANT_ATTRIBUTE.to_owned(), machine_tokens }
    }
}

/// The attribute of the stack's own user pool that holds a user's tenant, which only administrators write; and the
/// claim that has it by default.
pub const TENANT_ATTRIBUTE: &str = "custom:tenant";

/// `TENANT_CLAIM`: names the claim that holds the tenant in users' tokens.
pub fn tenant_claim(environment: &Environment) -> &str {
    environment.optional("TENANT_CLAIM").unwrap_or(TENANT_ATTRIBUTE)
}

/// A claim's value. An empty one counts as absent.
pub(crate) fn claim<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// Rules by which a client's own tokens are told from those of users who signed in through it. One that fits is enough.
///
/// A user's token must never pass for the client's: it would be let in as the client's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineTokens(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    claim: String,
    /// `{client}` stands for the client's id. Empty: the claim is absent.
    value: String,
}

/// Why a text is no list of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one or more rules such as sub={{client}}, separated by spaces")]
pub struct InvalidRules;

/// Claims that name the client, by provider. Those that are there must agree.
const CLIENT: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// Claims of users. At some providers a user chooses their own `sub`, and could choose a client's id.
const OF_USERS: [&str; 9] = ["uid", "username", "preferred_username", "email", "upn", "name", "sid", "amr", "nonce"];

impl MachineTokens {
    /// Fits Cognito, Okta, Auth0, Entra ID and all who follow RFC 9068 to the letter.
    pub const DEFAULT: &str = "sub={client} sub={client}@clients idtyp=app";

    /// The client whose own token this is.
    fn client<'a>(&self, claims: &'a Claims) -> Option<&'a str> {
        let mut named = CLIENT.iter().filter_map(|name| claim(claims, name));
        let client = named.next()?;
        let agreed = named.all(|other| other == client);
        (agreed && self.0.iter().any(|rule| rule.fits(claims, client))).then_some(client)
    }
}

impl Rule {
    fn fits(&self, claims: &Claims, client: &str) -> bool {
        if self.claim == "sub" && OF_USERS.iter().any(|name| claim(claims, name).is_some()) {
            return false;
        }
        claim(claims, &self.claim).unwrap_or_default() == self.value.replace("{client}", client)
    }
}

impl FromStr for MachineTokens {
    type Err = InvalidRules;

    fn from_str(text: &str) -> Result<Self, InvalidRules> {
        let rule = |rule: &str| match rule.split_once('=') {
            Some((claim, value)) if !claim.is_empty() => Ok(Rule { claim: claim.to_owned(), value: value.to_owned() }),
            _ => Err(InvalidRules),
        };
        let rules: Vec<_> = text.split_whitespace().map(rule).collect::<Result<_, _>>()?;
        if rules.is_empty() { Err(InvalidRules) } else { Ok(Self(rules)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(rules: &str, claims: &[(&str, &str)]) -> Option<String> {
        let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        rules.parse::<MachineTokens>().expect("rules").client(&claims).map(str::to_owned)
    }

    #[test]
    fn one_rule_that_fits_is_enough_and_none_is_not() {
        let rules = "aut=APPLICATION name=service-{client}";
        assert_eq!(client(rules, &[("azp", "shop"), ("aut", "APPLICATION")]).as_deref(), Some("shop"));
        assert_eq!(client(rules, &[("azp", "shop"), ("name", "service-shop")]).as_deref(), Some("shop"));
        assert_eq!(client(rules, &[("azp", "shop"), ("name", "service-till"), ("aut", "APPLICATION_USER")]), None);
        assert_eq!(client(rules, &[("aut", "APPLICATION")]), None, "it must name its client");
    }

    #[test]
    fn an_empty_value_asks_for_a_claim_that_is_absent() {
        assert_eq!(client("sub=", &[("client_id", "shop")]).as_deref(), Some("shop"));
        assert_eq!(client("sub=", &[("client_id", "shop"), ("sub", "alice")]), None);
        assert_eq!(client("sub=", &[("client_id", "shop"), ("username", "alice")]), None);
        assert_eq!(client(MachineTokens::DEFAULT, &[("client_id", "shop")]), None, "not unless somebody says so");
    }

    #[test]
    fn a_user_who_is_called_like_a_client_is_no_client() {
        for of_users in OF_USERS {
            let claims = [("client_id", "shop"), ("sub", "shop"), (of_users, "shop")];
            assert_eq!(client(MachineTokens::DEFAULT, &claims), None, "{of_users}");
        }
    }

    #[test]
    fn claims_that_name_two_clients_name_none() {
        let claims = [("client_id", "shop"), ("azp", "till"), ("sub", "shop")];
        assert_eq!(client(MachineTokens::DEFAULT, &claims), None);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["", " ", "sub", "=app", "sub={client} app"] {
            assert_eq!(text.parse::<MachineTokens>(), Err(InvalidRules), "{text:?}");
        }
    }
}
