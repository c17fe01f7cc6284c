//! The deployed local stack, from outside: by HTTP, as a client's developer sees it, with the real binaries.

mod api;
mod commands;
mod crashes;
mod reads;
mod recovery;
mod tenants;
