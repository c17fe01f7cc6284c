//! The synthetic check against an API that answers as told.

mod api;
mod commands;
mod settings;
mod steps;
