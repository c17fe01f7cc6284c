//! The tables of an installation.

/// Names of the tables that a commit writes to.
#[derive(Debug, Clone)]
pub struct Tables {
    pub events: String,
    pub operations: String,
    pub parked: String,
    pub guards: String,
}
