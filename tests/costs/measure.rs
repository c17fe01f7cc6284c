//! The measurement: once a process, for it takes over the process's logs.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use crate::installation::Installation;
use crate::templates::Templates;
use crate::usage::{Usage, number};
use crate::workloads::{self, IN_A_WINDOW, Taken, WORKLOADS};

pub struct Measured {
    pub templates: Templates,
    /// In the order of [`WORKLOADS`].
    pub workloads: Vec<Taken>,
    /// Reading an operation's outcome and its document.
    pub reads: Usage,
    /// Reading a list of [`LISTED`](workloads::LISTED) documents.
    pub list: Usage,
    /// A command, by how many of them a window gathers, as in [`IN_A_WINDOW`].
    pub gathered: Vec<Usage>,
    /// A run of redrive that finds nothing.
    pub redrive: Usage,
    /// A verification of everything, by the stream.
    pub verification: Usage,
    pub commits_of_a_stream: f64,
    /// Custom metrics that a run of redrive writes.
    pub metrics_when_idle: usize,
    /// Those that come in addition while commands flow.
    pub metrics_when_busy: usize,
}

pub static MEASURED: LazyLock<Measured> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(measure())
});

async fn measure() -> Measured {
    let mut installation = Installation::begin();
    workloads::prepare(&installation).await;
    let mut taken = Vec::new();
    for workload in &WORKLOADS {
        taken.push(workload.run(&mut installation).await);
    }
    let operations = taken.first().map(|singly: &Taken| singly.operations.clone()).expect("workloads");
    let reads = workloads::read_outcomes(&mut installation, &operations).await;
    let list = workloads::list_documents(&mut installation).await;
    let mut gathered = Vec::new();
    for in_a_window in IN_A_WINDOW {
        gathered.push(workloads::gather(&mut installation, in_a_window).await);
    }
    let busy = metrics(&installation.log_lines());

    installation.redrive().await;
    let redrive = installation.take_usage();
    let all = metrics(&installation.log_lines());
    installation.take_usage();
    let (streams, commits) = installation.verify().await;
    let verification = installation.take_usage().times(1.0 / number(streams));
    Measured {
        templates: installation.templates,
        workloads: taken,
        reads,
        list,
        gathered,
        redrive,
        verification,
        commits_of_a_stream: number(commits) / number(streams),
        metrics_when_idle: all.len() - busy.len(),
        metrics_when_busy: busy.len(),
    }
}

/// The custom metrics in log lines: each name and each context is one.
fn metrics(lines: &[Value]) -> BTreeSet<String> {
    let mut metrics = BTreeSet::new();
    for line in lines {
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().into_iter().flatten() {
            metrics.insert(format!("{} {}", metric["Name"], line["Context"]));
        }
    }
    metrics
}
