//! For tests: the parts of an installation that several test suites need, on an AWS in process.
//!
//! - [`platform`]: the names of queues and tables, the functions' settings, and entries of the registry.
//! - [`sealing`]: a command as ingest queues it.
//! - [`http`]: requests as the HTTP API hands them to a function, and answers.
//! - [`Bench`]: the command handler of a context at its queue. Whoever needs a history sends commands through it.
//! - [`Installation`]: several contexts, and the functions that carry what follows from one to the other.
//! - [`layouts`]: a release before, which showed orders in another layout.
//! - [`Books`]: whether the money adds up.
//!
//! A function's own tests may use this crate although it knows that function: cargo allows a circle of dev-dependencies.

mod books;
mod handling;
pub mod http;
mod installation;
pub mod layouts;
pub mod live;
pub mod platform;
pub mod sealing;

pub use books::Books;
pub use handling::{Bench, VISIBILITY, events, text};
pub use http::{Answer, Request};
pub use installation::{Installation, is_told};
