//! What AWS meters, and how much of it was used.

use std::collections::BTreeMap;

/// What is billed by use. Each has a [price](crate::prices::of).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meter {
    ApiRequests,
    FifoRequests,
    StandardRequests,
    SnsRequests,
    WriteUnits,
    ReadUnits,
    LambdaRequests,
    GigabyteSeconds,
    LogBytes,
}

impl Meter {
    pub const ALL: [Self; 9] = [
        Self::ApiRequests,
        Self::FifoRequests,
        Self::StandardRequests,
        Self::SnsRequests,
        Self::WriteUnits,
        Self::ReadUnits,
        Self::LambdaRequests,
        Self::GigabyteSeconds,
        Self::LogBytes,
    ];
}

/// How much was used, by meter.
#[derive(Clone, Debug, Default)]
pub struct Usage(BTreeMap<Meter, f64>);

impl Usage {
    pub fn add(&mut self, meter: Meter, amount: f64) {
        *self.0.entry(meter).or_default() += amount;
    }

    pub fn of(&self, meter: Meter) -> f64 {
        self.0.get(&meter).copied().unwrap_or_default()
    }

    pub fn times(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|(meter, amount)| (*meter, amount * factor)).collect())
    }

    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (meter, amount) in &other.0 {
            sum.add(*meter, *amount);
        }
        sum
    }
}

/// A count or a number of bytes as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts of one run, far below 2^52")]
pub fn number(count: usize) -> f64 {
    count as f64
}
