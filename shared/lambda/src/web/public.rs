//! Connections to hosts that strangers chose, which are made to public addresses only.
//!
//! The connector dials what a lookup of ours hands on, and looks each name up once per connection. So a name that leads
//! elsewhere after it was checked gains nothing. A connection that is used again goes where it went.

use std::net::{IpAddr, ToSocketAddrs as _};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError, SharedDnsResolver};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use tokio::task::spawn_blocking;

use super::address::refusal;
use super::destinations::{BadUrl, Destinations, Way};

/// Sends each request the way that its URL may go, or not at all.
#[derive(Debug)]
pub(super) struct Guarded {
    pub destinations: Destinations,
    /// Looks names up by [`PublicOnly`].
    pub public: SharedHttpConnector,
    /// For the origins that the installation added. A resolver sees no port, so one for both could not tell them apart.
    pub added: SharedHttpConnector,
}

impl HttpConnector for Guarded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.destinations.way(request.uri()) {
            Ok((_, Way::Public)) => self.public.call(request),
            Ok((_, Way::Added)) => self.added.call(request),
            Err(bad) => HttpConnectorFuture::ready(Err(ConnectorError::user(bad.into()))),
        }
    }
}

/// The public addresses among those that a lookup finds. It fails where there is none.
///
/// A name that has both kinds may be dialled: the private ones are not, and many a company's DNS has such names.
#[derive(Debug, Clone)]
pub(super) struct PublicOnly(pub SharedDnsResolver);

impl ResolveDns for PublicOnly {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = self.0.resolve_dns(name).await?;
            let (refused, public): (Vec<IpAddr>, Vec<_>) =
                found.into_iter().partition(|address| refusal(*address).is_some());
            match refused.first().copied().and_then(refusal) {
                Some(what) if public.is_empty() => Err(ResolveDnsError::new(BadUrl::HostNotPublic(what))),
                _ => Ok(public),
            }
        })
    }
}

/// The system's own lookup, as the SDK's connector does it without a resolver of ours.
#[derive(Debug, Clone)]
pub(super) struct SystemLookup;

impl ResolveDns for SystemLookup {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let name = name.to_owned();
        DnsFuture::new(async move {
            let lookup = spawn_blocking(move || (name, 0).to_socket_addrs()).await;
            let found = lookup.map_err(ResolveDnsError::new)?.map_err(ResolveDnsError::new)?;
            Ok(found.map(|found| found.ip()).collect())
        })
    }
}

#[cfg(test)]
mod tests;
