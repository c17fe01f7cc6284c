//! What several targets ask of what was read. A target gives bytes to a parser as a stranger may, and what it accepts is
//! then taken as far as it goes without I/O: a panic is a finding, and so is a promise that does not hold.

use std::sync::LazyLock;

use admission::admit::{Admission, Admitted, Sender};
use admission::tenants::Tenant;
use kernel::cloud_event::{CloudEvent, Data, Invalid, Mode, Submission, from_http};
use kernel::command::{Command, Header, Principal, PrincipalKind};
use kernel::context::{AggregateType, Undecided};
use kernel::domain_event::RecordedEvent;
use kernel::ids::TenantId;
use kernel::problem::Problem;
use kernel::receipt::ReceiptKeys;
use kernel::timestamp::Timestamp;
use lambda::caller::Caller;
use lambda::trace::Trace;
use messaging::Queues;
use schemas::{Budget, Bundled};
use store::registry::{self, Grant, TenantLimits, TenantSchema, TenantSettings};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Events in a batch.
pub const MAX_BATCH: usize = admission::MAX_BATCH;

pub const PUBLIC_URL: &str = "https://api.example";

/// The tenant of all that is fuzzed.
pub fn tenant() -> TenantId {
    TenantId::parse("demo").expect("a tenant")
}

/// Its secret: a constant, so that a receipt in a corpus stays genuine.
pub fn keys() -> ReceiptKeys {
    ReceiptKeys::parse("the-secret-of-the-fuzz-targets-is-none").expect("keys")
}

/// What ingest knows when an event comes in, with a tenant who may send everything from most sources.
pub struct Door {
    admission: Admission,
    keys: ReceiptKeys,
    tenant: Tenant,
    caller: Caller,
}

pub static DOOR: LazyLock<Door> = LazyLock::new(|| {
    let any = || vec!["*".to_owned()];
    let sources = ["/", "urn:", "https://shop.example/", "https://broker.example/"].map(str::to_owned).to_vec();
    let grants = vec![Grant { principals: any(), types: any(), sources }];
    let own = TenantSchema {
        uri: "https://schemas.example/note".to_owned(),
        command_type: "SubmitOrder".to_owned(),
        document: r#"{ "required": ["customer"], "properties": { "customer": { "maxLength": 9 } } }"#.to_owned(),
    };
    Door {
        admission: Admission {
            bundled: Bundled::compile(PUBLIC_URL),
            queues: Queues::new("https://queues.example/"),
            public_url: PUBLIC_URL.to_owned(),
        },
        keys: keys(),
        tenant: Tenant::of(registry::TenantEntry {
            pipelines: registry::Pipelines::default(),
            partners: Vec::new(),
            id: tenant(),
            settings: TenantSettings { grants, ..TenantSettings::default() },
            limits: TenantLimits::default(),
            schemas: vec![own],
        }),
        caller: Caller {
            tenant: tenant(),
            principal: Principal { id: "fuzzer".to_owned(), kind: PrincipalKind::ServiceAccount },
        },
    }
});

impl Door {
    /// Admits an event as the only one of its request.
    pub fn admit(&self, event: CloudEvent) -> Result<Admitted, Problem> {
        self.admit_of(&mut Budget::for_request(), event)
    }

    /// Admits one of the events of a request.
    pub fn admit_of(&self, budget: &mut Budget, event: CloudEvent) -> Result<Admitted, Problem> {
        let now = Timestamp::from_millis(1_790_000_000_000);
        let trace = Trace { parent: TRACEPARENT.to_owned(), state: None };
        let sender = Sender { caller: &self.caller, tenant: &self.tenant, trace: &trace };
        self.admission.admit(event, &self.keys, sender, now, budget)
    }
}

/// An event that was read is written so that it reads back, in either format; and it is admitted, or refused by a problem
/// that says why.
pub fn holds(event: &CloudEvent) {
    assert_eq!(CloudEvent::from_json(event.to_json().as_bytes()).as_ref(), Ok(event));
    reads_back_from_headers(event);
    match DOOR.admit(event.clone()) {
        Ok(admitted) => goes_its_way(event, &admitted),
        Err(problem) => explains(&problem),
    }
}

/// Binary mode has strings for all values, cannot tell empty data from none, and says the content type that is implied
/// elsewhere.
fn reads_back_from_headers(event: &CloudEvent) {
    let body = event.data().map(Data::as_bytes).unwrap_or_default();
    let another_mode = Mode::of(event.datacontenttype().unwrap_or_default()) != Mode::Binary;
    if another_mode || (event.data().is_some() && body.is_empty()) {
        return;
    }
    let mut expected = event.clone().into_builder();
    for (name, value) in event.extensions() {
        expected = expected.extension(name, value.to_string());
    }
    if event.json().is_some() && event.datacontenttype().is_none() {
        expected = expected.datacontenttype("application/json");
    }
    let headers = event.to_http_headers();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert_eq!(from_http(headers, body, MAX_BATCH), Ok(Submission::Single(expected.build().expect("still an event"))));
}

/// What is queued opens as the command that was sent; its context can read it, and what it causes can be published and
/// shown. A command that its schema has accepted and its context cannot read would be parked.
fn goes_its_way(event: &CloudEvent, admitted: &Admitted) {
    let body = &admitted.outgoing.body;
    let context = catalog::context(admitted.context).expect("a context of the catalog");
    let command = Command::open(body.as_bytes(), context.name).expect("ingest queues commands");
    assert_eq!(DOOR.keys.open(&tenant(), &admitted.operation.id), Some(command.receipt));
    assert_eq!(Header::read(body), Some(command.header()));
    assert_eq!((command.event.json(), command.event.id()), (event.json(), event.id()));
    let aggregate_type = context.aggregate_type(&command.stream).expect("a type of its context's");
    match aggregate_type.empty().decide(&command) {
        Ok(decided) => {
            let recorded = (1..).zip(decided.events).map(|(version, event)| RecordedEvent {
                stream: command.stream.clone(),
                version,
                time: command.receipt.accepted_at,
                event,
            });
            are_seen(aggregate_type, &recorded.collect::<Vec<_>>());
        }
        Err(Undecided::Rejected(_)) => {}
        Err(Undecided::Unreadable(error)) => panic!("{error:?}: {body}"),
    }
}

fn are_seen(aggregate_type: &AggregateType, events: &[RecordedEvent]) {
    for event in events {
        event.check_publishable().expect("what a command of this size causes can be published");
        is_published(event);
    }
    if !events.is_empty() {
        for read_model in aggregate_type.read_models {
            let projected = read_model.project(None, events).expect("a context shows its own events");
            let stored = read_model.project(Some(&projected.document), &[]).expect("a document");
            assert_eq!(stored.tallies, projected.tallies);
        }
    }
}

/// What subscribers get reads back as what was recorded.
pub fn is_published(event: &RecordedEvent) {
    let published = event.to_cloud_event(&format!("{PUBLIC_URL}/schemas"));
    let received = CloudEvent::from_json(published.to_json().as_bytes()).expect("a CloudEvent");
    let back = RecordedEvent::from_cloud_event(&received).expect("one of ours");
    assert_eq!((&back.stream, back.version, back.time), (&event.stream, event.version, event.time));
    assert_eq!((&back.event.ty, back.event.schema), (&event.event.ty, event.event.schema));
    assert_eq!(back.event.data.get(), event.event.data.get());
    assert_eq!(back.event.cause, event.event.cause);
}

/// A fault names what is wrong, and repeats no more of what came in than it may.
pub fn says_why(invalid: &Invalid) {
    assert!(!invalid.detail().is_empty());
    let attribute = invalid.attribute().unwrap_or_default();
    assert!(attribute.chars().count() <= Invalid::LONGEST_NAME + "content-type…".len(), "{attribute}");
    assert!(!attribute.contains(char::is_control), "{attribute:?}");
}

/// A problem is the client's, says so, and is small.
pub fn explains(problem: &Problem) {
    assert!(matches!(problem.status, 400 | 403 | 413 | 415 | 422), "{problem:?}");
    let kind = |ty: &str| Problem::KINDS.iter().any(|(kind, ..)| *kind == ty);
    assert!(kind(&problem.ty) && !problem.detail.is_empty(), "{problem:?}");
    assert!(problem.errors.len() <= 20, "{problem:?}");
}
