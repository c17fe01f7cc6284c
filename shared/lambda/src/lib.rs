//! What every function starts with: settings, logs and metrics, AWS clients, callers, scopes, receipt keys, routes, requests,
//! bodies, answers, refusals, a client of other HTTP APIs, and metrics read back.

pub mod aws;
pub mod cache;
pub mod caller;
pub mod claims;
pub mod clock;
pub mod cloudwatch;
pub mod content;
pub mod gateway;
pub mod http;
pub mod receipt_keys;
pub mod refusal;
pub mod request;
pub mod routes;
pub mod run;
pub mod scope;
pub mod settings;
pub mod telemetry;
pub mod trace;
pub mod web;

pub use aws_sdk_cloudwatch::Client as CloudWatchClient;
pub use aws_sdk_secretsmanager::Client as SecretsManagerClient;
