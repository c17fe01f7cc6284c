//! Grants: which principal may send which command types from which sources.

use kernel::principal::Principal;
use store::registry::{Grant, include};

use crate::sources::{Prefix, Source};

/// A tenant's grants, ready to be asked.
pub struct Grants(Vec<Granted>);

/// One grant, ready to be asked.
pub struct Granted {
    principals: Vec<String>,
    types: Vec<String>,
    sources: Vec<Prefix>,
}

impl Grants {
    pub fn of(grants: &[Grant]) -> Self {
        Self(grants.iter().map(Granted::of).collect())
    }

    /// Whether any of them lets `principal` send the command.
    pub fn permit(&self, principal: &Principal, command: &str, source: &Source) -> bool {
        self.0.iter().any(|grant| grant.is_for(principal) && grant.covers(command, source))
    }
}

impl Granted {
    pub fn of(Grant { principals, types, sources }: &Grant) -> Self {
        Self {
            principals: principals.clone(),
            types: types.clone(),
            sources: sources.iter().filter_map(|prefix| Prefix::of(prefix)).collect(),
        }
    }

    pub fn is_for(&self, principal: &Principal) -> bool {
        include(&self.principals, principal)
    }

    /// Whether it is for messages of this type from this source.
    pub fn covers(&self, ty: &str, source: &Source) -> bool {
        self.types.iter().any(|pattern| type_matches(pattern, ty))
            && self.sources.iter().any(|prefix| source.begins_with(prefix))
    }
}

fn type_matches(pattern: &str, command: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => command.starts_with(beginning),
        None => command == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(principals: &[&str], types: &[&str], sources: &[&str]) -> Grant {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Grant { principals: owned(principals), types: owned(types), sources: owned(sources) }
    }

    fn permit(grants: &[Grant], principal: &Principal, command: &str, source: &str) -> bool {
        Grants::of(grants).permit(principal, command, &Source::of(source).expect("a source"))
    }

    #[test]
    fn all_three_parts_of_one_grant_must_fit() {
        let grants = [
            grant(&["shop"], &["Submit*", "CancelOrder"], &["https://shop.example/"]),
            grant(&["ops"], &["*"], &["/ops"]),
        ];
        let permitted = |principal, command, source| permit(&grants, &Principal::read(principal), command, source);
        assert!(permitted("shop", "SubmitOrder", "https://shop.example/checkout"));
        assert!(permitted("shop", "CancelOrder", "https://shop.example/"));
        assert!(permitted("ops", "Anything", "/ops/desk"));
        assert!(!permitted("shop", "CancelOrders", "https://shop.example/"));
        assert!(!permitted("shop", "SubmitOrder", "/ops"), "parts of two grants do not add up");
        assert!(!permitted("stranger", "SubmitOrder", "https://shop.example/checkout"));
        assert!(!permit(&[], &Principal::read("shop"), "SubmitOrder", "https://shop.example/"));
    }

    #[test]
    fn a_grant_to_a_client_is_none_to_a_user_of_that_id() {
        let permitted =
            |granted, principal| permit(&[grant(&[granted], &["*"], &["/s"])], &Principal::read(principal), "Do", "/s");
        for granted in ["shop", "client:shop"] {
            assert!(permitted(granted, "client:shop") && !permitted(granted, "user:shop"), "{granted}");
        }
        assert!(permitted("user:shop", "user:shop") && !permitted("user:shop", "client:shop"));
        for called_like_a_user in ["client:user:shop", "client:client:shop"] {
            assert!(permitted(called_like_a_user, called_like_a_user));
            assert!(!permitted("user:shop", called_like_a_user) && !permitted("client:shop", called_like_a_user));
        }
        assert!(!permitted("user:*", "user:shop"), "a star stands alone");
    }

    #[test]
    fn a_star_stands_for_every_principal() {
        assert!(permit(&[grant(&["*"], &["*"], &["/s"])], &Principal::read("user:anyone"), "Do", "/s"));
    }
}
