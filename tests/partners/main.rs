//! Two installations, each a partner of the other: an order that is submitted here is carried out there, and that it was shipped
//! there is heard here. Nothing joins them but settings and what they publish.

use bench::platform::{RECEIPT_KEY, environment, receipt_secret, register_tenant};
use bench::{Answer, Installation, Request};
use ingest::Ingest;
use kernel::context::Context;
use kernel::domain_event::RecordedEvent;
use kernel::webhook_signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookId, WebhookSecret, sign};
use orders::commands::{Command, Line, ShipOrder, SubmitOrder};
use serde_json::json;
use testkit::Aws;

static CONTEXTS: [Context; 1] = [orders::CONTEXT];

const SHOP: &str = "https://shop.example";
const SUPPLIER: &str = "https://supplier.example";
const STREAM: &str = "acme/orders/O-7";

/// An installation under its own URL.
struct Side {
    url: &'static str,
    installation: Installation,
    ingest: Ingest,
    /// What the other signs with.
    secret: WebhookSecret,
}

impl Side {
    /// One that hears `partner`, which has that URL, of these types of events.
    fn new(url: &'static str, partner: &str, partners_url: &str, types: &[&str], secret: &str) -> Self {
        let aws = Aws::new();
        aws.put_secret(&receipt_secret(), RECEIPT_KEY);
        register_tenant(&aws, "acme", &json!({ "grants": [], "routes": [] }));
        let source = format!("{partners_url}/contexts/orders");
        let partners = json!({ "partners": [
            { "name": partner, "types": types, "sources": [source], "secrets": [secret] } ] });
        let (key, document) = ("tenant#acme", partners.to_string());
        aws.register(&json!({ "registry_key": key, "entry": "partners", "document": document }));
        let environment = environment().with([("PUBLIC_URL", url)]);
        let ingest = Ingest::from_environment(&environment, aws.dynamodb(), aws.sqs(), aws.secrets_manager());
        Self {
            url,
            ingest: ingest.expect("settings"),
            installation: Installation::on(aws, &CONTEXTS),
            secret: WebhookSecret::parse(secret).expect("a secret"),
        }
    }

    /// A client of this installation's own sends a command.
    async fn submit(&self, id: &str, command: Command) {
        self.installation.send("orders", "O-7", id, command).await;
        self.installation.settle().await;
    }

    /// What has become of the order.
    fn order(&self) -> Vec<String> {
        self.installation.events(STREAM)
    }

    fn last(&self) -> RecordedEvent {
        self.installation.recorded(STREAM).pop().expect("an event")
    }

    /// Gets an event of the other as a webhook of it.
    async fn gets(&self, event: &RecordedEvent, of: &Self) -> Answer {
        let (body, now) = (event.to_cloud_event(of.url).to_json(), self.installation.now());
        let id = WebhookId::parse("msg_1").expect("an id");
        let signature = sign(std::slice::from_ref(&self.secret), &id, now, body.as_bytes());
        let request = Request::structured(&body).to("/events/acme").without_claims().header(ID_HEADER, id.as_str());
        let request = request.header(TIMESTAMP_HEADER, &now.seconds().to_string()).header(SIGNATURE_HEADER, &signature);
        let answer = request.answered(|request| self.ingest.handle(request, now)).await;
        self.installation.settle().await;
        answer
    }
}

fn both() -> (Side, Side) {
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];
    (
        Side::new(SHOP, "supplier", SUPPLIER, &["OrderShipped"], secrets[0]),
        Side::new(SUPPLIER, "buyer", SHOP, &["OrderSubmitted"], secrets[1]),
    )
}

fn submit() -> Command {
    let line = json!({ "sku": "TEA", "quantity": 2, "unitPrice": { "amount": 450, "currency": "EUR" } });
    let line: Line = serde_json::from_value(line).expect("a line");
    let customer = kernel::ids::AggregateId::parse("C-7").expect("an id");
    SubmitOrder { customer, lines: vec![line], on_account: true, pay_within_seconds: None }.into()
}

fn ship(tracking_number: &str) -> Command {
    ShipOrder { carrier: Some("DHL".to_owned()), tracking_number: tracking_number.to_owned() }.into()
}

#[tokio::test(start_paused = true)]
async fn an_order_is_carried_out_by_the_other_and_comes_back_as_shipped() {
    let (shop, supplier) = both();
    shop.submit("checkout-1", submit()).await;
    let answer = supplier.gets(&shop.last(), &shop).await.accepted();
    assert_eq!(answer.json()["type"], "SubmitOrder");
    assert_eq!(supplier.order(), ["OrderSubmitted"]);

    supplier.submit("warehouse-1", ship("00340")).await;
    shop.gets(&supplier.last(), &supplier).await.accepted();
    assert_eq!(shop.order(), ["OrderSubmitted", "OrderShipped"]);
    assert_eq!(shop.last().event.data.get(), supplier.last().event.data.get(), "the same parcel");
    let correlation = |side: &Side| side.last().event.cause.correlation;
    assert_eq!(correlation(&shop), correlation(&supplier), "one request has set it all off");
}

#[tokio::test(start_paused = true)]
async fn what_comes_twice_or_comes_back_changes_nothing() {
    let (shop, supplier) = both();
    shop.submit("checkout-1", submit()).await;
    for _ in 0..3 {
        supplier.gets(&shop.last(), &shop).await.accepted();
    }
    assert_eq!(supplier.order(), ["OrderSubmitted"]);
    // It was not asked for what it has itself.
    shop.gets(&supplier.last(), &supplier).await.refused("not-permitted");
    supplier.gets(&supplier.last(), &supplier).await.refused("not-permitted");
    supplier.submit("warehouse-1", ship("00340")).await;
    for _ in 0..3 {
        shop.gets(&supplier.last(), &supplier).await.accepted();
    }
    assert_eq!(shop.order(), ["OrderSubmitted", "OrderShipped"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_for_an_order_that_is_not_there_is_refused_by_the_business() {
    let (shop, supplier) = both();
    supplier.submit("elsewhere-1", submit()).await;
    supplier.submit("warehouse-1", ship("00340")).await;
    shop.gets(&supplier.last(), &supplier).await.accepted();
    assert_eq!(shop.order(), [] as [&str; 0]);
    let rejected = ["ShipOrder", "O-7", "rejected"].map(str::to_owned);
    assert_eq!(shop.installation.outcomes("orders"), [rejected.into()]);
}
