//! The files that pages are made of.

use crate::Page;

type File = (&'static str, &'static str);

/// Names of files in a folder of this package, each with its text.
macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../", $folder, "/", $name)))),*]
    };
}

/// Below each page.
const COMMON: &[File] = files!("common": "page.css" "page.js" "session.js");

const CONSOLE: &[File] = files!("console":
    "index.html" "console.css" "console.js" "dead-letters.js" "finding.js" "findings.js" "flow.js" "group.js" "jobs.js"
    "json.js" "message.js" "overview.js" "parked.js" "rebuild.js" "rebuilds.js" "repair.js" "shell.js" "together.js"
    "trace.js" "traces.js" "verification.js" "verifications.js" "webhook.js" "webhooks.js"
);

const DASHBOARD: &[File] = files!("dashboard": "index.html" "dashboard.css" "dashboard.js" "chart.js" "reports.js");

const DEMO: &[File] = files!("demo":
    "index.html" "demo.css" "behind.js" "counter.js" "demo.js" "money.js" "orders.js" "slips.js" "sockets.js" "steps.js"
    "trouble.js"
);

/// The client in TypeScript, compiled: `clients/typescript`. `cargo xtask test --unit` says whether it still is that.
const CLIENT: &[File] = files!("demo/waybill":
    "client.js" "commands.js" "connection.js" "follower.js" "http.js" "index.js" "operation.js" "problems.js" "time.js"
);

/// What follows a page's path; the page itself, if nothing does.
pub(crate) fn part(page: Page, name: &str) -> Option<(&'static str, &'static str)> {
    let (own, shared): (&[File], &[File]) = match page {
        Page::Console => (CONSOLE, COMMON),
        Page::Dashboard => (DASHBOARD, COMMON),
        Page::Demo => (DEMO, COMMON),
        Page::Client => (CLIENT, &[]),
    };
    let name = match name {
        "" => "index.html",
        // It has one address alone.
        "index.html" => return None,
        name => name,
    };
    let (name, text) = own.iter().chain(shared).find(|(known, _)| *known == name)?;
    let media_type = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    Some((media_type, text))
}
