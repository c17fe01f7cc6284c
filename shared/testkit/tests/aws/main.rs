//! Proves that the in-process AWS answers the real SDK clients as AWS does.

mod dynamodb;
mod faults;
mod sns;
mod sqs;
mod streams;
mod time;
