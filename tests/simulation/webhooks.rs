//! Tenants' endpoints elsewhere: each must get every event that it wants, signed, in the order of its stream, and nothing of
//! others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::{WebhookSecret, verify};
use serde_json::{Value, json};
use testkit::{Aws, Fault, TABLES, Web};

use crate::chaos::{Chaos, lock};
use crate::check::Streams;
use crate::world::{TENANTS, World};

/// What endpoints are called, and which contexts they want; none, all.
const ENDPOINTS: [(&str, &[&str]); 2] = [("everything", &[]), ("business", &["orders", "payments"])];

/// Versions that an endpoint has taken, by stream, in order.
type Taken = BTreeMap<String, Vec<u64>>;

/// All endpoints, by their hosts.
pub struct Endpoints {
    /// Otherwise no tenant has any.
    pub are_there: bool,
    chaos: Arc<Chaos>,
    taken: Arc<Mutex<BTreeMap<String, Taken>>>,
}

fn host(tenant: &str, name: &str) -> String {
    format!("{name}.{tenant}.example")
}

/// An endpoint's id is as long as each is.
fn id(name: &str) -> String {
    format!("{name:0<16}")
}

fn secret(tenant: &str) -> WebhookSecret {
    WebhookSecret::from_random([tenant.as_bytes()[0]; 32])
}

/// Enters the endpoints of all tenants.
pub fn register(aws: &Aws) {
    for tenant in TENANTS {
        for (name, contexts) in ENDPOINTS {
            let document = json!({
                "url": format!("https://{}/hooks", host(tenant, name)), "contexts": contexts,
                "secrets": [secret(tenant).expose()], "since": Timestamp::from_millis(0),
            });
            let row = json!({
                "webhook_key": tenant, "place": id(name), "document": document.to_string(), "part": 0, "look_at": 0,
            });
            aws.insert(TABLES.webhooks, &row);
        }
    }
}

/// Whether nothing is due for any of them.
pub fn have_all(aws: &Aws) -> bool {
    let mut ids = TENANTS.iter().flat_map(|tenant| ENDPOINTS.map(|(name, _)| format!("{tenant}/{}", id(name))));
    ids.all(|id| !aws.has_any(TABLES.webhooks, "by_due", ("webhook_key", &id)))
}

impl Endpoints {
    pub fn open(chaos: &Arc<Chaos>, are_there: bool) -> Self {
        Self { are_there, chaos: Arc::clone(chaos), taken: Arc::default() }
    }

    /// The way there.
    pub fn web(&self) -> Web {
        let (chaos, taken) = (Arc::clone(&self.chaos), Arc::clone(&self.taken));
        Web::answering(move |request| {
            let host = request.uri().host().expect("a host").to_owned();
            let answer = |status: u16| Some(Response::builder().status(status).body(String::new()).expect("an answer"));
            let fault = chaos.ask_endpoint(&host);
            if matches!(fault, Fault::None | Fault::HangAfter) {
                let (stream, version) = read(&host, request);
                lock(&taken).entry(host).or_default().entry(stream).or_default().push(version);
            }
            match fault {
                Fault::None => answer(204),
                Fault::Refuse { status, .. } => answer(status),
                _ => None,
            }
        })
    }

    /// Each has got what it wants, if any is registered.
    pub fn got(&self, world: &World, events: &Streams) {
        if !self.are_there {
            return;
        }
        let taken = lock(&self.taken);
        for tenant in TENANTS {
            for (name, contexts) in ENDPOINTS {
                let host = host(tenant, name);
                let got = taken.get(&host);
                let wrong = |what: String| world.chaos.journal().violation(None, format!("{host} {what}"));
                let wants = |context: &str| contexts.is_empty() || contexts.contains(&context);
                for stream in got.into_iter().flat_map(BTreeMap::keys) {
                    let is_wanted = stream.starts_with(&format!("{tenant}/"))
                        && events.get(stream).is_some_and(|events| wants(&events[0].stream.context));
                    if !is_wanted {
                        wrong(format!("has got {stream}, which it does not want"));
                    }
                }
                for (stream, events) in events {
                    let id = &events[0].stream;
                    if id.tenant.as_str() != tenant || !wants(&id.context) {
                        continue;
                    }
                    let versions = got.and_then(|got| got.get(stream)).map(Vec::as_slice).unwrap_or_default();
                    if let Some(missing) = missing(versions, events.len() as u64) {
                        wrong(format!("has not got {stream}/{missing} in its turn: {versions:?}"));
                    }
                }
            }
        }
    }
}

/// The first version that did not come, or only after a later one. Repeats of what has come do not count.
fn missing(versions: &[u64], count: u64) -> Option<u64> {
    let mut next = 1;
    for version in versions {
        if *version > next {
            return Some(next);
        }
        next = next.max(version + 1);
    }
    (next <= count).then_some(next)
}

/// The stream and the version of an event that is signed for this host.
fn read(host: &str, request: &Request<String>) -> (String, u64) {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed_at = header("webhook-timestamp");
    let now = Timestamp::from_millis(signed_at.parse::<u64>().expect("seconds") * 1000);
    let tenant = host.split('.').nth(1).expect("a tenant");
    let (id, signatures) = (header("webhook-id"), header("webhook-signature"));
    verify(&[secret(tenant)], id, signed_at, signatures, request.body().as_bytes(), now).expect("a good signature");
    let event: Value = serde_json::from_str(request.body()).expect("JSON");
    let (stream, version) = event["id"].as_str().and_then(|id| id.rsplit_once('/')).expect("an id");
    (stream.to_owned(), version.parse().expect("a version"))
}
