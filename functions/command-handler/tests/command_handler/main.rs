//! The command handler in process: real queue messages, the real SDK clients, and an AWS in memory.

mod aggregate_types;
mod back_off;
mod chaos;
mod contention;
mod counts;
mod dead_letters;
mod expected_versions;
mod giving_back;
mod guards;
mod outcomes;
mod parking;
mod privacy;
mod probe;
mod repairs;
mod repeats;
mod strangers;
mod support;
