//! The redrive as the schedule, an operator and Lambda see it. What it does with dead letters is tested together with
//! the functions they come from, in `tests/recovery`.

mod http;
mod settings;
