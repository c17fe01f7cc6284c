//! Partners: systems elsewhere whose events a tenant's contexts hear, each under a name that contexts know it by.

use kernel::principal::Principal;
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::{BadSignature, WebhookSecret, verify};
use store::registry::{self, Grant};

use crate::grants::Granted;
use crate::sources::Source;

/// A tenant's partners, ready to be asked.
pub struct Partners(Vec<Partner>);

struct Partner {
    name: String,
    grant: Granted,
    secrets: Vec<WebhookSecret>,
}

/// The headers of a signed request (Standard Webhooks, "Webhook headers"); empty where one is missing.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signatures: &'a str,
}

/// What lets a sender of events in.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// Whose token it is, or the topic that has published.
    Principal(&'a Principal),
    /// The places of the partners whose secrets have signed.
    Signature(&'a [usize]),
}

impl Partners {
    pub fn of(partners: &[registry::Partner]) -> Self {
        let partner = |partner: &registry::Partner| {
            let registry::Partner { name, principals, types, sources, secrets } = partner.clone();
            Partner { name, grant: Granted::of(&Grant { principals, types, sources }), secrets }
        };
        Self(partners.iter().map(partner).collect())
    }

    /// Whose secret has signed this body.
    pub fn signed(&self, signed: Signed<'_>, body: &[u8], now: Timestamp) -> Result<Vec<usize>, BadSignature> {
        let Signed { id, timestamp, signatures } = signed;
        let mut refused = BadSignature::NoMatch;
        let mut places = Vec::new();
        for (place, partner) in self.0.iter().enumerate().filter(|(_, partner)| !partner.secrets.is_empty()) {
            match verify(&partner.secrets, id, timestamp, signatures, body, now) {
                Ok(()) => places.push(place),
                Err(error) => refused = error,
            }
        }
        if places.is_empty() { Err(refused) } else { Ok(places) }
    }

    /// The names of the partners as which whoever brings this proof may send this type of event from this source.
    pub fn names<'a>(&'a self, proof: Proof<'_>, ty: &str, source: &Source) -> Vec<&'a str> {
        let is_one = |(place, partner): &(usize, &Partner)| {
            let is_sender = match proof {
                Proof::Principal(principal) => partner.grant.is_for(principal),
                Proof::Signature(places) => places.contains(place),
            };
            is_sender && partner.grant.covers(ty, source)
        };
        self.0.iter().enumerate().filter(is_one).map(|(_, partner)| partner.name.as_str()).collect()
    }
}
