//! What becomes of commands that fail: given back, dead-lettered, redriven, parked, repaired. The real functions, on an
//! AWS in process.

mod back_off;
mod bounds;
mod crashes;
mod latency;
mod ledger;
mod outages;
mod poison;
mod repair;
mod retention;
mod subscribers;
mod volume;
mod world;
