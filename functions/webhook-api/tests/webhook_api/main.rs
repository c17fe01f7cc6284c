//! The API of webhooks in process: real requests as API Gateway hands them over, the real SDK clients, and an AWS in memory.
//!
//! Every answer of every test is held against `openapi.yaml` besides (see `Api::send`).

mod api;
mod changing;
mod deliveries;
mod isolation;
mod outages;
mod privacy;
mod registering;
mod requests;
mod resending;
mod secrets;
mod settings;
mod switching;
