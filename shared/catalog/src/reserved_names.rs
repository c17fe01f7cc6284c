//! Names that are taken: the one list, for the catalog's tests and for `cargo xtask new-context` and `new-overview`, which
//! include this file so that they need no context to compile.

/// The first segments of the API's own paths. Query answers `/{collection}`, so no collection may be called so.
pub const PATHS: &[&str] = &[
    "commands",
    "connections",
    "console",
    "dashboard",
    "dead-letters",
    "demo",
    "events",
    "findings",
    "flow",
    "health",
    "openapi.yaml",
    "operations",
    "parked",
    "rebuild",
    "rebuilds",
    "redrive",
    "replay",
    "replays",
    "reports",
    "schemas",
    "traces",
    "verifications",
    "webhooks",
];

/// A reason, and the names that a bounded context or an overview must not have because of it.
pub type Reserved = (&'static str, &'static [&'static str]);

/// What no bounded context may be called, beside [`CRATES`]. Packages, collections and messages that exist already are not
/// repeated here: `cargo xtask new-context` looks for them.
#[rustfmt::skip] // a line for each kind
pub const CONTEXTS: &[Reserved] = &[
    ("the API has a path of that name, which would hide the context's collection", PATHS),
    ("it stands for tenants' own queues where a context's name stands", &["own"]),
    ("an alarm of the whole installation has that name", &[
        "concurrency", "delivery", "infrastructure", "platform", "publisher", "throttled", "timers",
        "unreadable", "unreported",
    ]),
    ("events/ has a folder of that name, for other things than a context's samples", &[
        "aws", "internal", "recorded", "registry",
    ]),
    ("a type of that name is in use in every context; take the plural, or another name", &[
        "clone", "command", "context", "copy", "debug", "decider", "decision", "default", "err", "event", "from",
        "happening", "into", "iterator", "just", "metadata", "none", "ok", "option", "projection", "rejection", "result",
        "schema", "some", "state", "strategy", "string", "timestamp", "value", "vec",
    ]),
];

/// What neither a bounded context nor an overview may be called: each is a folder and a crate.
#[rustfmt::skip] // a line for each kind
pub const CRATES: &[Reserved] = &[
    ("Windows has a device of that name, and could not check the folder out", &["aux", "con", "nul", "prn"]),
    ("it is a word of Rust's", &[
        "abstract", "as", "async", "auto", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
        "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
        "match", "mod", "move", "mut", "override", "priv", "pub", "raw", "ref", "return", "safe", "self", "static",
        "struct", "super", "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use", "virtual",
        "where", "while", "yield",
    ]),
    ("Rust has a crate, a tool or a type of that name", &[
        "alloc", "bool", "char", "clippy", "core", "diagnostic", "isize", "miri", "rustc", "rustdoc", "rustfmt", "std",
        "str", "test", "usize",
    ]),
];
