//! What every function starts with: settings, logs and metrics, AWS clients, callers, requests, problems, partial
//! batches.

pub mod aws;
pub mod batch;
pub mod caller;
pub mod http;
pub mod request;
pub mod resubmission;
pub mod run;
pub mod settings;
pub mod telemetry;
pub mod trace;
