//! Commands that go to a queue of a tenant's own: what its consumer reports of them, and what happens if it does not.

mod reports;
mod unreported;
mod world;
