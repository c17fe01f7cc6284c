//! The command handler of this build, on tables of its own.

use bench::Bench;
use command_handler::Deciding;
use kernel::command::Header;
use kernel::context::Context;
use store::parked::ParkedMessage;
use testkit::TABLES;

/// The context whose operations and parked messages are recorded.
pub const QUEUE: &str = "orders";

/// A bench on which what is written is the same in each run.
pub fn bench(context: &'static Context) -> Bench {
    let mut bench = Bench::of(context);
    bench.handler.deciding = Deciding::Inline;
    bench
}

/// One invocation with this message.
pub async fn handle(bench: &Bench, body: &str) {
    let group = Header::read(body).and_then(|header| header.stream(bench.handler.context.name));
    let group = group.map_or_else(|| "nobody's".to_owned(), |stream| stream.message_group());
    bench.aws.put(&bench.queue, Some(&group), Some(&bench.aws.calls().len().to_string()), body);
    bench.deliver().await;
}

/// What is on record of a parked command.
pub fn outcome(bench: &Bench, parked: &ParkedMessage) -> String {
    let (_, key) = parked.summary.id.split_once('#').expect("a time and a key");
    let tenant = parked.summary.tenant.as_ref().expect("a command's tenant");
    let key = format!("{tenant}#{key}");
    let record = bench.aws.items(TABLES.operations).into_iter().find(|record| record["operation_key"] == key);
    record.and_then(|record| Some(record["outcome"].as_str()?.to_owned())).unwrap_or_default()
}
