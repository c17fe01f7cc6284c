//! The deployed local stack, from outside: by HTTP, as a client's developer sees it, with the real binaries.

mod api;
mod chaos;
mod checks;
mod commands;
mod crashes;
mod doors;
mod events;
mod harm;
mod patients;
mod payments;
mod reads;
mod rebuilds;
mod recorded_events;
mod recovery;
mod stories;
mod tenants;
