//! The operator function in process: real requests as API Gateway hands them over, the real SDK clients, and an AWS in
//! memory whose content the `store` crate wrote.
//!
//! Every answer of every test is held against `openapi.yaml` besides (see `Api::send`).

mod api;
mod dead_letters;
mod details;
mod discarding;
mod flow;
mod groups;
mod hostile;
mod isolation;
mod lists;
mod outages;
mod outcomes;
mod privacy;
mod races;
mod repairs;
mod requests;
mod resubmitting;
mod samples;
mod settings;
mod traces;
mod worst;

#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
