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
    let one_at_a_time = [1.0, 1.0, 1.05, 1.0, 2.0];
    let expected = [
        ("singly", one_at_a_time),
        ("bursts", [0.1, 0.1, 1.05, 1.0, 1.1]),
        ("one stream", [0.1, 0.1, 0.15, 1.0, 0.2]),
        ("HTTP batches", [0.1, 0.1, 1.05, 0.1, 1.1]),
        ("new orders", one_at_a_time),
    ];
    for ((workload, taken), (name, [reads, publishes, queries, sends, writes])) in
        WORKLOADS.iter().zip(&MEASURED.workloads).zip(expected)
    {
        let send = if name == "HTTP batches" { "SendMessageBatch" } else { "SendMessage" };
        let calls = [
            ("BatchGetItem", reads),
            ("PublishBatch", publishes),
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
    let most = [("singly", 8.0), ("bursts", 8.0), ("one stream", 3.25), ("HTTP batches", 8.0), ("new orders", 12.0)];
    for ((workload, taken), (name, write_units)) in WORKLOADS.iter().zip(&MEASURED.workloads).zip(most) {
        assert_eq!(workload.name, name);
        let taken = taken.usage.of(Meter::WriteUnits);
        assert!(taken <= write_units, "{name}: {taken} write units a command, more than {write_units}");
    }
}
