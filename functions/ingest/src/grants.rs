//! Grants: which principal may send which command types from which sources.

use kernel::principal::Principal;
use store::registry::{Grant, include};

/// Whether any grant lets `principal` send the command.
pub(crate) fn permit(grants: &[Grant], principal: &Principal, command: &str, source: &str) -> bool {
    grants.iter().any(|grant| {
        include(&grant.principals, principal)
            && grant.types.iter().any(|pattern| type_matches(pattern, command))
            && grant.sources.iter().any(|prefix| source_begins_with(source, prefix))
    })
}

fn type_matches(pattern: &str, command: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => command.starts_with(beginning),
        None => command == pattern,
    }
}

/// Whether `source` is `prefix`, or lies below it: `https://shop.example` covers `https://shop.example/x`, and not
/// `https://shop.example.org`. An empty prefix covers nothing.
pub(crate) fn source_begins_with(source: &str, prefix: &str) -> bool {
    let Some(rest) = source.strip_prefix(prefix).filter(|_| !prefix.is_empty()) else { return false };
    let separates = |byte: u8| matches!(byte, b'/' | b':' | b'?' | b'#');
    rest.is_empty() || prefix.bytes().last().is_some_and(separates) || rest.bytes().next().is_some_and(separates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(principals: &[&str], types: &[&str], sources: &[&str]) -> Grant {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Grant { principals: owned(principals), types: owned(types), sources: owned(sources) }
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

    #[test]
    fn a_prefix_ends_where_a_name_ends() {
        assert!(source_begins_with("https://shop.example", "https://shop.example"));
        assert!(source_begins_with("https://shop.example:8443/x", "https://shop.example"));
        assert!(source_begins_with("urn:shop:1", "urn:shop:"));
        assert!(!source_begins_with("https://shop.example.org/", "https://shop.example"));
        assert!(!source_begins_with("/shopping", "/shop"));
        assert!(!source_begins_with("/x", "") && !source_begins_with("x", ""), "an empty prefix covers nothing");
    }
}
