//! The store against an AWS in memory, over the SDK's own client.

mod commit;
mod counting;
mod decided_before;
mod decisions;
mod guards;
mod leases;
mod limits;
mod load;
mod operations;
mod parked;
mod probe;
mod read_models;
mod registry;
mod streams;
mod totals;
mod world;
