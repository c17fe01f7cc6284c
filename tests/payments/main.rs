//! Orders and payments together: whatever fails, and in whatever order things come, an order is confirmed and paid, or
//! cancelled and not paid.

mod faults;
mod interleavings;
mod traces;
mod world;
