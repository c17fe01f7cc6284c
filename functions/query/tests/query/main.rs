//! Query in process: real requests as API Gateway hands them over, the real SDK client, and a `DynamoDB` in memory whose
//! content the `store` crate wrote.
//!
//! Every answer of every test is held against `openapi.yaml` besides (see `Api::send`).

mod api;
mod described;
mod documents;
mod grants;
mod history;
mod layouts;
mod lists;
mod operations;
mod outages;
mod overviews;
mod reports;
mod requests;
mod samples;
mod schemas;
mod traces;
