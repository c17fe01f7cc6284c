//! The gateway by its runner, on an AWS and against a payment provider in process.

mod gateway;
mod messages;
mod outcomes;
