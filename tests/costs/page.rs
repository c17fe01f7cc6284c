//! The part of `docs/costs.md` that is made from the measurement.

use std::fs;
use std::path::PathBuf;

use kernel::operation::LONGEST_WAY;

use crate::assumptions::{
    ACCESS_LOG_BYTES, CALL, CPU_EACH, GATHERED, IDLE_POLLERS, LAMBDA_LOG_BYTES, LINE_OVERHEAD_BYTES, LOG_COMPRESSION,
    LONG_POLL, MEMORY_OF_A_CORE,
};
use crate::idle::{self, Line};
use crate::markdown::{Table, decimals, dollars, exact};
use crate::measure::Measured;
use crate::prices::{self, GIGABYTE};
use crate::templates::CONTEXTS;
use crate::usage::{Meter, Usage};
use crate::workloads::{IN_A_WINDOW, LISTED, Taken, WORKLOADS};

/// The environment variable that makes [`assert_up_to_date`] write the page instead of comparing it.
const UPDATE: &str = "UPDATE_COSTS";

const BEGIN: &str = "<!-- Measured from here on: `cargo xtask costs` writes it. -->\n";
const END: &str = "<!-- Measured up to here. -->\n";

const READS: &str = "its two reads";

/// Compares the page with what is measured now.
///
/// # Panics
/// If they differ, or the page lacks its markers.
pub fn assert_up_to_date(measured: &Measured) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/costs.md"));
    let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (before, rest) = page.split_once(BEGIN).expect("a marker where the measured part begins");
    let (told, after) = rest.split_once(END).expect("a marker where the measured part ends");
    let now = format!("\n{}\n", sections(measured).join("\n\n"));
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, [before, BEGIN, &now, END, after].concat()).expect("docs/costs.md can be written");
        println!("{now}");
    } else {
        assert_eq!(
            told, now,
            "docs/costs.md differs from what is measured now; if the change is meant, `cargo xtask costs` writes the page"
        );
    }
}

fn sections(measured: &Measured) -> Vec<String> {
    vec![
        "## A million commands".to_owned(),
        ways(),
        bill(measured),
        lists(measured),
        "## What windows save".to_owned(),
        WINDOWS.to_owned(),
        windows(measured),
        "## A month in which nothing happens".to_owned(),
        format!("Production, with the contexts {}, without data:", CONTEXTS.join(" and ")),
        month(&idle::lines(measured, &measured.templates)),
        format!("One more context costs ${} a month.", dollars(idle::of_a_context(measured))),
        "While commands flow, however many, there come on top:".to_owned(),
        month(&idle::lines_when_busy(measured)),
        "## A verification".to_owned(),
        format!(
            "Of a million streams such as these, each with {} commits, two documents and its operations on record, \
             once. Whatever its pace, it reads the same; a slow one takes longer, of which Lambda bills the time.",
            decimals(measured.commits_of_a_stream, 1)
        ),
        verification(measured),
        "## What grows with the data".to_owned(),
        "What a million commands leave behind, and what it costs in each month that it is kept:".to_owned(),
        growth(measured),
        "## What was counted".to_owned(),
        "Per command, and per command's two reads:".to_owned(),
        counts(measured),
        "## Prices".to_owned(),
        format!(
            "List prices of {}, in {}, in dollars, without free tiers and discounts.",
            prices::AS_OF,
            prices::REGION
        ),
        price_table(),
        "## What is assumed".to_owned(),
        assumptions(measured),
    ]
}

fn ways() -> String {
    let way = |(name, what): (&str, &str)| format!("- *{name}*: {what}.");
    let reads = (READS, "reading an operation's outcome once, and the document that it changed once");
    WORKLOADS
        .iter()
        .map(|workload| (workload.name, workload.what))
        .chain([reads])
        .map(way)
        .collect::<Vec<_>>()
        .join("\n")
}

/// All workloads, and the reads as the last column.
fn columns<T>(measured: &Measured, of: impl Fn(&Usage) -> T) -> Vec<T> {
    measured.workloads.iter().map(|taken| &taken.usage).chain([&measured.reads]).map(of).collect()
}

fn bill(measured: &Measured) -> String {
    let million = |usage: &Usage| usage.times(1e6);
    let names = WORKLOADS.iter().map(|workload| workload.name).chain([READS]);
    let mut table = Table::new("$ per million commands", names);
    for meter in Meter::ALL {
        let price = prices::of(meter);
        table.row(price.of, columns(measured, |usage| dollars(price.times(million(usage).of(meter)))));
    }
    table.row("**in all**", columns(measured, |usage| format!("**{}**", dollars(prices::total(&million(usage))))));
    let with_reads = measured.workloads.iter().map(|taken| taken.usage.plus(&measured.reads));
    let with_reads = with_reads.map(|usage| dollars(prices::total(&million(&usage))));
    table.row("with its two reads", with_reads.chain([String::new()]));
    table.to_string()
}

fn lists(measured: &Measured) -> String {
    let million = measured.list.times(1e6);
    format!(
        "A million lists of {LISTED} documents cost ${}, of which ${} are DynamoDB's reads: the lists' indexes hold keys alone, \
         so that a command writes no index as long as its document stays where it is listed, and each document is read.",
        dollars(prices::total(&million)),
        dollars(prices::of(Meter::ReadUnits).times(million.of(Meter::ReadUnits)))
    )
}

const WINDOWS: &str = "The publisher and the subscribers' functions get at once what is there. With `PublishWindow` and \
    `SubscriberWindow`, Lambda gathers for them for so many seconds first: of the events table's stream, and of the \
    subscribers' queues. A window of a second gathers ten where ten commands come in a second, each handled by itself. It \
    saves requests, and costs what a read model is later than now: at most both windows, and a process as much for each of its steps. \
    Commands that clients send, their outcomes and what is pushed of them wait for neither. Full batches do not wait.";

fn windows(measured: &Measured) -> String {
    let million: Vec<_> = measured.gathered.iter().map(|usage| usage.times(1e6)).collect();
    let mut table = Table::new(
        "$ per million commands, by how many are gathered",
        IN_A_WINDOW.map(|count| if count == 1 { "1: no window".to_owned() } else { count.to_string() }),
    );
    for meter in [Meter::StandardRequests, Meter::SnsRequests, Meter::LambdaRequests, Meter::GigabyteSeconds] {
        let price = prices::of(meter);
        table.row(price.of, million.iter().map(|usage| dollars(price.times(usage.of(meter)))));
    }
    table
        .row("**in all**, with all else", million.iter().map(|usage| format!("**{}**", dollars(prices::total(usage)))));
    table.to_string()
}

fn month(lines: &[Line]) -> String {
    let mut table = Table::new("", ["$ a month"]);
    for line in lines {
        table.row(&line.what, [dollars(line.dollars)]);
    }
    table.row("**in all**", [format!("**{}**", dollars(idle::total(lines)))]);
    table.to_string()
}

fn verification(measured: &Measured) -> String {
    let million = measured.verification.times(1e6);
    let mut table = Table::new("", ["a million streams", "$"]);
    let mut row = |what: &str, amount: String, dollars_: f64| table.row(what, [amount, dollars(dollars_)]);
    for meter in [Meter::ReadUnits, Meter::WriteUnits, Meter::LambdaRequests, Meter::GigabyteSeconds, Meter::LogBytes] {
        let price = prices::of(meter);
        row(price.of, decimals(million.of(meter), 0), price.times(million.of(meter)));
    }
    table.row("**in all**", [String::new(), format!("**{}**", dollars(prices::total(&million)))]);
    table.to_string()
}

fn growth(measured: &Measured) -> String {
    let [adjustments, .., orders] = &measured.workloads[..] else { panic!("two workloads at least") };
    let stored = prices::TABLE_STORAGE.dollars + prices::TABLE_BACKUPS.dollars;
    let logs = prices::LOG_STORAGE.dollars * LOG_COMPRESSION;
    let days = measured.templates.parameter("OperationRetentionDays") + LONGEST_WAY.as_secs_f64() / 86_400.0;
    let records = format!("records of operations, {days} days");
    let kept_logs = format!("logs, {} days", measured.templates.log_retention());
    let mut table = Table::new("", ["adjusted premiums, GB", "$ a month", "new orders, GB", "$ a month"]);
    let mut row = |what: &str, bytes: &dyn Fn(&Taken) -> f64, price: f64| {
        let cells = [adjustments, orders].into_iter().flat_map(|taken| {
            let gigabytes = bytes(taken) * 1e6 / GIGABYTE;
            [decimals(gigabytes, 2), dollars(gigabytes * price)]
        });
        table.row(what, cells);
    };
    row("events, for ever", &|taken| taken.storage.events, stored);
    row("documents with their indexes, for ever", &|taken| taken.storage.documents, stored);
    row(&records, &|taken| taken.storage.operations, stored);
    row(&kept_logs, &|taken| taken.usage.of(Meter::LogBytes), logs);
    table.to_string()
}

fn counts(measured: &Measured) -> String {
    let names = WORKLOADS.iter().map(|workload| workload.name).chain([READS]);
    let mut table = Table::new("", names);
    for meter in Meter::ALL {
        let (what, places) = match meter {
            Meter::ApiRequests => ("HTTP requests", 2),
            Meter::FifoRequests => ("SQS requests, FIFO", 2),
            Meter::StandardRequests => ("SQS requests, standard", 2),
            Meter::SnsRequests => ("SNS publish requests", 2),
            Meter::WriteUnits => ("write request units", 2),
            Meter::ReadUnits => ("read request units", 2),
            Meter::LambdaRequests => ("Lambda invocations", 2),
            Meter::GigabyteSeconds => ("GB-seconds", 4),
            Meter::LogBytes => ("bytes of logs", 0),
        };
        table.row(what, columns(measured, |usage| decimals(usage.of(meter), places)));
    }
    table.to_string()
}

fn price_table() -> String {
    let mut table = Table::new("", ["$", "per"]);
    for price in prices::ALL {
        table.row(price.of, [exact(price.dollars), price.unit.to_owned()]);
    }
    table.to_string()
}

fn assumptions(measured: &Measured) -> String {
    let templates = &measured.templates;
    let millis = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
    let sizes = ["Ingest", "policiesCommandHandler"].map(|function| templates.memory(function));
    [
        format!(
            "**Durations.** Billed is what an invocation waits for AWS, {} ms a call (calls side by side wait together), \
             and {} ms of a core for each command, event or read. A core is {MEMORY_OF_A_CORE} MB; functions have {}, \
             command handlers {}.",
            millis(CALL), millis(CPU_EACH), sizes[0], sizes[1]
        ),
        "**Environments are warm.** Starts, and the tenant's settings that each environment reads once a minute, are not \
         counted."
            .to_owned(),
        "**Lambda's pollers** take one receive and one delete a batch. Their reads of the table's stream are free, as are \
         deliveries from SNS to SQS."
            .to_owned(),
        "**Push** costs this, although nobody is connected: it is invoked for each batch of outcomes, and asks whether anybody \
         is. `Live=false` saves it. With connections come their minutes and messages, at API Gateway's prices; and for each \
         command that is followed some reads and two writes, and a write and some reads for each minute that it is open."
            .to_owned(),
        format!(
            "**Webhooks** cost this, although no tenant has any: their dispatcher gathers events for two seconds, \
             {GATHERED} at ten a second, and looks whether somebody wants them. With endpoints come, for each event and \
             endpoint, a write or two, a request to it, and a share of the sender's runs."
        ),
        format!(
            "**An empty queue** has {IDLE_POLLERS} pollers, each of which asks again after {} seconds. That is Lambda's \
             documented minimum for a standard queue with a maximum concurrency; of a FIFO queue the same is assumed. \
             While commands flow, these receives are fewer.",
            LONG_POLL.as_secs()
        ),
        "**DynamoDB's units** are those that the DynamoDB of the tests reports for each call: items rounded up, \
         transactions twice, each index for itself."
            .to_owned(),
        format!(
            "**Logs** are the lines that the functions write, metrics included, and {LINE_OVERHEAD_BYTES} bytes a line \
             that CloudWatch adds; {ACCESS_LOG_BYTES} bytes a request of the access log; and nothing of Lambda's own. With \
             `SystemLogLevel=INFO` that is {LAMBDA_LOG_BYTES} bytes an invocation. Stored they take {LOG_COMPRESSION} of that."
        ),
        "**Commands** are as small as those in `events/`, and succeed at the first attempt.".to_owned(),
        "**Not in it**: data that leaves AWS, a domain, a firewall or CDN in front, people who sign in by Cognito, taxes, and \
         the runs of the synthetic check, of which [deploy.md](deploy.md#register-the-synthetic-check) says what they cost. With `KmsKeyArn`, the key and its requests."
            .to_owned(),
    ]
    .map(|line| format!("- {line}"))
    .join("\n")
}
