//! The verifier in process: the real functions on an AWS in memory and on virtual time. Damage is done on purpose, and must be
//! found, and nothing else; its action must mend it.

mod http;
mod sabotage;
mod walking;
mod world;
