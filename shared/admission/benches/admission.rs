//! How long it takes to admit a command, from the request's body to the message for its queue: `cargo bench -p admission`.
//! It is all that ingest does of its own, with ingest's allocator. The rest is its request to SQS.

use std::hint::black_box;
use std::time::{Instant, SystemTime};

use admission::admit::{Admission, Admitted, Sender};
use admission::tenants::Tenant;
use kernel::cloud_event::{CloudEvent, Submission, from_http};
use kernel::ids::TenantId;
use kernel::principal::{Principal, PrincipalKind};
use kernel::receipt::ReceiptKeys;
use lambda::caller::Caller;
use lambda::trace::Trace;
use messaging::Queues;
use schemas::{Budget, Bundled};
use store::registry::{Grant, Pipelines, TenantEntry, TenantLimits, TenantSettings};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SAMPLES: [(&str, &[u8]); 3] = [
    ("SubmitOrder", include_bytes!("../../../events/orders/submit-order.json")),
    ("BindPolicy", include_bytes!("../../../events/policies/bind-policy.json")),
    ("AdjustPremium", include_bytes!("../../../events/policies/adjust-premium.json")),
];

/// How often each case runs before it counts, in a run that counts, and how many of those there are.
const WARM_UP: u32 = 2_000;
const RUN: u32 = 1_000;
const RUNS: usize = 41;

fn main() {
    let public_url = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com".to_owned();
    let queues = Queues::new("https://sqs.eu-central-1.amazonaws.com/123456789012/waybill-");
    let admission = Admission { bundled: Bundled::compile(&public_url), queues, public_url };
    let keys = ReceiptKeys::parse("a-secret-of-at-least-thirty-two-characters").expect("keys");
    let (tenant, caller) = registered();
    let trace = Trace::begin();
    let sender = Sender { caller: &caller, tenant: &tenant, trace: &trace };

    println!("| command | body, bytes | median, us | least, us | 9th decile, us |\n| --- | --: | --: | --: | --: |");
    for (name, body) in SAMPLES {
        let admit = || -> Admitted {
            let budget = &mut Budget::for_request();
            admission.admit(parse(body), &keys, sender, SystemTime::now().into(), budget).expect("admitted")
        };
        let micros = micros(admit);
        let [median, least, decile] = [RUNS / 2, 0, RUNS * 9 / 10].map(|nth| micros[nth]);
        println!("| {name} | {} | {median:.2} | {least:.2} | {decile:.2} |", body.len());
    }
}

/// A tenant with a grant, and a machine client of it.
fn registered() -> (Tenant, Caller) {
    let id = TenantId::parse("demo").expect("a tenant");
    let grant = Grant {
        principals: vec!["*".into()],
        types: vec!["*".into()],
        sources: vec!["https://shop.example/".into(), "https://broker.example/".into()],
    };
    let tenant = Tenant::of(TenantEntry {
        id: id.clone(),
        settings: TenantSettings { grants: vec![grant], ..TenantSettings::default() },
        limits: TenantLimits::default(),
        pipelines: Pipelines::default(),
        partners: Vec::new(),
        schemas: Vec::new(),
    });
    let principal = Principal { id: "4t9k2m7v5q8w1x3y6z0a2b4c6d".into(), kind: PrincipalKind::ServiceAccount };
    (tenant, Caller { tenant: id, principal })
}

fn parse(body: &[u8]) -> CloudEvent {
    let headers = [
        ("accept", &b"*/*"[..]),
        ("content-type", b"application/cloudevents+json"),
        ("host", b"a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"),
        ("user-agent", b"shop-checkout/3.2"),
    ];
    match from_http(headers.into_iter(), body, 1).expect("a request") {
        Submission::Single(event) => event,
        Submission::Batch(_) => panic!("one event"),
    }
}

/// Microseconds that one takes, of each run, in order.
fn micros<T>(work: impl Fn() -> T) -> Vec<f64> {
    for _ in 0..WARM_UP {
        black_box(work());
    }
    let run = || {
        let began = Instant::now();
        for _ in 0..RUN {
            black_box(work());
        }
        began.elapsed().as_secs_f64() * 1e6 / f64::from(RUN)
    };
    let mut runs: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    runs.sort_by(f64::total_cmp);
    runs
}
