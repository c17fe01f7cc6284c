//! How fast a tenant may send: commands a second and at once, for all of its streams together and for each of them.
//!
//! It is counted in memory, so a command costs no call for it, and each environment of the function counts for itself:
//! n of them let through up to n times as much. `docs/deploy.md` says what that means.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::ids::TenantId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::FRESH_FOR;
use lambda::settings::{BadSetting, Environment};
use store::registry::TenantLimits;

use crate::MAX_BATCH;

/// So many commands a second, averaged, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// The rates of a tenant, or what holds for one whose entry says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Of all its commands together.
    pub tenant: Rate,
    /// Of those for one stream. A stream is a message group, whose commands are handled one batch after the other.
    pub stream: Rate,
}

/// Why commands are not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttled {
    /// The tenant's entry says so.
    Paused,
    /// More than the tenant may send. They are taken after so many seconds, if no others are before.
    Tenant { rate: Rate, seconds: u32 },
    /// More than one stream may get.
    Stream { rate: Rate, seconds: u32 },
}

/// Counts what tenants send.
pub struct Limits {
    defaults: Rates,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    tenants: Level,
    streams: Level,
}

/// Holds each of many to the same rate. Each environment counts for itself.
pub struct Meter {
    rate: Rate,
    level: Mutex<Level>,
}

/// Token buckets by key. Each is known by one number: the time, in microseconds since 1970, at which it will be full
/// again (the "theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371). One that is full need not be
/// known at all.
#[derive(Default)]
struct Level(HashMap<String, u64>);

/// Keys are chosen by callers; more buckets than this are not kept.
const MOST_BUCKETS: usize = 10_000;

/// In microseconds.
const SECOND: u64 = 1_000_000;

impl Rates {
    /// `TENANT_COMMANDS_PER_SECOND`, `TENANT_COMMAND_BURST`, `STREAM_COMMANDS_PER_SECOND` and `STREAM_COMMAND_BURST`.
    pub fn from_environment(environment: &Environment) -> Result<Self, BadSetting> {
        let rate = |per_second: &str, burst: &str| {
            Ok(Rate { per_second: environment.parsed(per_second)?, burst: environment.parsed(burst)? })
        };
        Ok(Self {
            tenant: rate("TENANT_COMMANDS_PER_SECOND", "TENANT_COMMAND_BURST")?,
            stream: rate("STREAM_COMMANDS_PER_SECOND", "STREAM_COMMAND_BURST")?,
        })
    }

    /// With a tenant's own in place of those that its entry names.
    fn of(self, own: &TenantLimits) -> Self {
        Self {
            tenant: Rate {
                per_second: own.commands_per_second.unwrap_or(self.tenant.per_second),
                burst: own.command_burst.unwrap_or(self.tenant.burst),
            },
            stream: Rate {
                per_second: own.stream_commands_per_second.unwrap_or(self.stream.per_second),
                burst: own.stream_command_burst.unwrap_or(self.stream.burst),
            },
        }
    }
}

impl Limits {
    pub fn new(defaults: Rates) -> Self {
        Self { defaults, buckets: Mutex::default() }
    }

    /// Whether the tenant may send so many commands now, whatever their streams. For no commands, it says whether the tenant
    /// is paused. This takes nothing from the limits, so ingest asks before it reads the commands.
    pub fn look(&self, tenant: &TenantId, own: &TenantLimits, count: usize, now: Timestamp) -> Result<(), Throttled> {
        if own.paused {
            return Err(Throttled::Paused);
        }
        let rate = self.defaults.of(own).tenant;
        let wait = self.buckets().tenants.wait(tenant.as_str(), rate, count, microseconds(now));
        seconds(wait).map_or(Ok(()), |seconds| Err(Throttled::Tenant { rate, seconds }))
    }

    /// Takes a command for each of these message groups, or none of them.
    pub fn take<'a>(
        &self,
        tenant: &TenantId,
        own: &TenantLimits,
        groups: impl Iterator<Item = &'a str>,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        if own.paused {
            return Err(Throttled::Paused);
        }
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for group in groups {
            *counts.entry(group).or_default() += 1;
        }
        let (rates, all, now) = (self.defaults.of(own), counts.values().sum(), microseconds(now));
        let Buckets { tenants, streams } = &mut *self.buckets();
        let of_tenant = tenants.wait(tenant.as_str(), rates.tenant, all, now);
        let of_streams = counts.iter().map(|(group, count)| streams.wait(group, rates.stream, *count, now));
        let of_streams = of_streams.max().unwrap_or_default();
        if let Some(seconds) = seconds(of_tenant.max(of_streams)) {
            return Err(if of_streams > of_tenant {
                Throttled::Stream { rate: rates.stream, seconds }
            } else {
                Throttled::Tenant { rate: rates.tenant, seconds }
            });
        }
        tenants.take(tenant.as_str(), rates.tenant, all, now);
        for (group, count) in counts {
            streams.take(group, rates.stream, count, now);
        }
        Ok(())
    }

    /// Counts so many commands of this tenant that were refused, for the work that they have cost.
    pub fn charge(&self, tenant: &TenantId, own: &TenantLimits, count: usize, now: Timestamp) {
        let rate = self.defaults.of(own).tenant;
        self.buckets().tenants.take(tenant.as_str(), rate, count, microseconds(now));
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    pub fn new(rate: Rate) -> Self {
        Self { rate, level: Mutex::default() }
    }

    /// Takes so many from what this key may have, or none: then it says after how many seconds they may be taken.
    pub fn take(&self, key: &str, count: usize, now: Timestamp) -> Result<(), u32> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let now = microseconds(now);
        if let Some(seconds) = seconds(level.wait(key, self.rate, count, now)) {
            return Err(seconds);
        }
        level.take(key, self.rate, count, now);
        Ok(())
    }
}

impl Level {
    /// Microseconds until so many are taken from this bucket.
    ///
    /// More than it ever holds are taken when it is full, and whoever comes next waits the longer: so a batch larger than
    /// the burst is not refused for ever, and the rate holds all the same.
    fn wait(&self, key: &str, rate: Rate, count: usize, now: u64) -> u64 {
        if count == 0 {
            return 0;
        }
        let burst = u64::from(rate.burst.get());
        let needed = rate.time_for(burst.min(count as u64));
        (self.missing(key, rate, now) + needed).saturating_sub(rate.time_for(burst))
    }

    fn take(&mut self, key: &str, rate: Rate, count: usize, now: u64) {
        if self.0.len() >= MOST_BUCKETS && !self.0.contains_key(key) {
            self.forget(now);
        }
        let full_at = now + self.missing(key, rate, now) + rate.time_for(count as u64);
        self.0.insert(key.to_owned(), full_at);
    }

    /// Microseconds until the bucket is full. Never more than a bucket can lack at this rate: neither a clock that was
    /// ahead nor a rate that was lower holds anybody up for longer.
    fn missing(&self, key: &str, rate: Rate, now: u64) -> u64 {
        let most = rate.time_for(u64::from(rate.burst.get()) + MAX_BATCH as u64);
        self.0.get(key).map_or(0, |full_at| full_at.saturating_sub(now).min(most))
    }

    /// Forgets full buckets; and all, if most of them are not: then what is let through is a burst more.
    fn forget(&mut self, now: u64) {
        self.0.retain(|_, full_at| *full_at > now);
        if self.0.len() > MOST_BUCKETS / 2 {
            self.0.clear();
        }
    }
}

impl Rate {
    /// Microseconds in which so many commands may come.
    fn time_for(self, count: u64) -> u64 {
        count * SECOND / u64::from(self.per_second.get())
    }

    fn exceeded(self, of: &str) -> String {
        let Self { per_second, burst } = self;
        format!("these are more commands than {of}: {per_second} a second, {burst} at once; none of them was taken")
    }
}

fn microseconds(time: Timestamp) -> u64 {
    time.millis() * 1000
}

/// Whole seconds in which that much time is over; `None` for no time.
fn seconds(microseconds: u64) -> Option<u32> {
    (microseconds > 0).then(|| u32::try_from(microseconds.div_ceil(SECOND)).unwrap_or(u32::MAX))
}

impl From<Throttled> for Problem {
    fn from(throttled: Throttled) -> Self {
        let (detail, seconds) = match throttled {
            Throttled::Paused => {
                let paused = Self::tenant_paused("the operator has paused this tenant; ask them until when");
                return paused.to_be_tried_again_after(FRESH_FOR);
            }
            Throttled::Tenant { rate, seconds } => (rate.exceeded("the tenant may send"), seconds),
            Throttled::Stream { rate, seconds } => (rate.exceeded("may be sent for one subject"), seconds),
        };
        let problem = Self::too_many_requests(detail).to_be_tried_again_after(Duration::from_secs(seconds.into()));
        if matches!(throttled, Throttled::Stream { .. }) { problem.about("subject") } else { problem }
    }
}

#[cfg(test)]
mod tests;
