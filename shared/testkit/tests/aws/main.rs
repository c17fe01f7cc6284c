//! Proves that the in-process AWS answers the real SDK clients as AWS does.

mod cloudwatch;
mod dead_letters;
mod dynamodb;
mod faults;
mod poll;
mod secrets;
mod sns;
mod sqs;
mod streams;
mod time;
