//! What an installation costs: the calls that the real functions make, counted in process, times AWS's list prices. It
//! makes the tables in `docs/costs.md`, and fails where a change makes a command dearer.

mod assumptions;
mod idle;
mod installation;
mod markdown;
mod measure;
mod metering;
mod page;
mod prices;
mod storage;
mod templates;
mod usage;
mod workloads;

use std::collections::BTreeMap;

use crate::assumptions::ACCESS_LOG_BYTES;
use crate::measure::MEASURED;
use crate::usage::Meter;
use crate::workloads::WORKLOADS;

#[test]
fn the_page_says_what_is_measured_now() {
    page::assert_up_to_date(&MEASURED);
}

#[test]
fn a_command_makes_exactly_so_many_calls() {
    // One query in twenty is the webhook dispatcher's, for all that it has gathered.
    // Documents that move no totals are put by themselves: a policy whose premium is adjusted, and what it contributes to its
    // customer's overview. Of the gets of batches, one for a batch is push's, which asks whether anybody is connected.
    let expected = [
        ("singly", [2.0, 1.0, 2.0, 1.05, 1.0, 1.0]),
        ("bursts", [0.2, 0.1, 2.0, 1.05, 1.0, 1.0]),
        ("one stream", [0.2, 0.1, 0.2, 0.15, 1.0, 0.1]),
        ("HTTP batches", [0.2, 0.1, 2.0, 1.05, 0.1, 1.0]),
        ("new orders", [2.0, 1.0, 1.0, 1.05, 1.0, 2.0]),
    ];
    for ((workload, taken), (name, [reads, publishes, puts, queries, sends, writes])) in
        WORKLOADS.iter().zip(&MEASURED.workloads).zip(expected)
    {
        let send = if name == "HTTP batches" { "SendMessageBatch" } else { "SendMessage" };
        let calls = [
            ("BatchGetItem", reads),
            ("PublishBatch", publishes),
            ("PutItem", puts),
            ("Query", queries),
            (send, sends),
            ("TransactWriteItems", writes),
        ];
        let calls: BTreeMap<_, _> = calls.map(|(operation, count)| (operation.to_owned(), count)).into();
        assert_eq!((workload.name, &taken.calls), (name, &calls));
    }
}

#[test]
fn a_command_writes_and_logs_no_more_than_this() {
    // Four for the commit and the operation's record, which are one transaction, and one for each document that stays where
    // it is listed: a policy's premium is in two. The logs are the functions' own, with what CloudWatch adds to each line,
    // and without the API's access log.
    let most = [
        ("singly", 6.0, 780.0),
        ("bursts", 6.0, 525.0),
        ("one stream", 3.0, 525.0),
        ("HTTP batches", 6.0, 290.0),
        ("new orders", 14.0, 780.0),
    ];
    for ((workload, taken), (name, write_units, log_bytes)) in WORKLOADS.iter().zip(&MEASURED.workloads).zip(most) {
        assert_eq!(workload.name, name);
        let written = taken.usage.of(Meter::WriteUnits);
        assert!(written <= write_units, "{name}: {written} write units a command, more than {write_units}");
        let requests = taken.usage.of(Meter::ApiRequests);
        let logged = taken.usage.of(Meter::LogBytes) - requests * ACCESS_LOG_BYTES;
        assert!(logged <= log_bytes, "{name}: {logged} bytes of logs a command, more than {log_bytes}");
    }
}
