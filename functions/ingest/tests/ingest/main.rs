//! Ingest in process: real requests as API Gateway hands them over, the real SDK clients, and an AWS in memory.
//!
//! Every answer of every test is held against `openapi.yaml` besides (see `Api::send`).

mod api;
mod batches;
mod callers;
mod commands;
mod compressed;
mod events;
mod hostile;
mod limits;
mod malformed;
mod outages;
mod preconditions;
mod privacy;
mod providers;
mod queue;
mod requests;
mod routes;
mod samples;
mod schemas;
mod settings;
mod unreadable;
mod webhooks;
mod worst;

#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
