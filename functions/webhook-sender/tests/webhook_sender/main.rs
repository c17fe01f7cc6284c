//! What reaches endpoints elsewhere, by the dispatcher and the sender, on an AWS in process and on virtual time.

mod chaos;
mod delivering;
mod failing;
mod meanwhile;
mod outage;
mod settings;
mod world;
