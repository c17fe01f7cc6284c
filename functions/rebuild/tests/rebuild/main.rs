//! The rebuild in process: the real function on an AWS in memory, whose streams and documents the handler and the updater of
//! this build, or of the release before it, have written.

mod chaos;
mod http;
mod repairing;
mod replaying;
mod totals;
mod walking;
mod world;
