//! What AWS asks for: the one place for prices. List prices, on demand, without free tiers or volume discounts.

use crate::usage::{Meter, Usage};

pub const REGION: &str = "us-east-1";
/// When these prices were last compared with published ones.
pub const AS_OF: &str = "June 2026";

/// So many dollars for so many units.
#[derive(Clone, Copy)]
pub struct Price {
    pub of: &'static str,
    pub dollars: f64,
    pub units: f64,
    pub unit: &'static str,
}

impl Price {
    const fn each(of: &'static str, dollars: f64, unit: &'static str) -> Self {
        Self { of, dollars, units: 1.0, unit }
    }

    const fn million(of: &'static str, dollars: f64, unit: &'static str) -> Self {
        Self { of, dollars, units: 1e6, unit }
    }

    /// In dollars.
    pub fn times(&self, units: f64) -> f64 {
        self.dollars * units / self.units
    }
}

pub const API_REQUESTS: Price = Price::million("API Gateway, HTTP API", 1.00, "million requests of up to 512 KB");
pub const FIFO_REQUESTS: Price = Price::million("SQS, FIFO queues", 0.50, "million requests, per 64 KiB");
pub const STANDARD_REQUESTS: Price = Price::million("SQS, standard queues", 0.40, "million requests, per 64 KiB");
pub const SNS_REQUESTS: Price = Price::million("SNS, standard topic", 0.50, "million publish requests, per 64 KiB");
pub const WRITE_UNITS: Price = Price::million("DynamoDB, writes", 0.625, "million write request units of 1 KB");
pub const READ_UNITS: Price = Price::million("DynamoDB, reads", 0.125, "million read request units of 4 KB");
pub const LAMBDA_REQUESTS: Price = Price::million("Lambda, requests", 0.20, "million invocations");
pub const GIGABYTE_SECONDS: Price = Price::each("Lambda, duration on arm64", 0.000_013_333_4, "GB-second");
pub const LOG_BYTES: Price =
    Price { of: "CloudWatch, logs taken in", dollars: 0.50, units: GIGABYTE, unit: "GB written" };

pub const LOG_STORAGE: Price = Price::each("CloudWatch, logs kept", 0.03, "GB-month, compressed");
pub const CUSTOM_METRICS: Price = Price::each("CloudWatch, custom metrics", 0.30, "metric and month");
pub const ALARM_METRICS: Price = Price::each("CloudWatch, alarms", 0.10, "metric of an alarm and month");
pub const COMPOSITE_ALARMS: Price = Price::each("CloudWatch, composite alarms", 0.50, "alarm and month");
pub const DASHBOARDS: Price = Price::each("CloudWatch, dashboards", 3.00, "dashboard and month");
pub const SECRETS: Price = Price::each("Secrets Manager", 0.40, "secret and month");
pub const SCHEDULED: Price = Price::million("EventBridge Scheduler", 1.00, "million invocations");
pub const KEY_REQUESTS: Price = Price { of: "KMS, requests", dollars: 0.03, units: 1e4, unit: "10,000 requests" };
pub const KEYS: Price = Price::each("KMS, a key of yours", 1.00, "key and month");
pub const TABLE_STORAGE: Price = Price::each("DynamoDB, storage", 0.25, "GB-month");
pub const TABLE_BACKUPS: Price = Price::each("DynamoDB, point-in-time recovery", 0.20, "GB-month");
pub const TOKENS: Price = Price::each("Cognito, a machine client's token", 0.002_25, "token");

pub const ALL: [Price; 21] = [
    API_REQUESTS,
    FIFO_REQUESTS,
    STANDARD_REQUESTS,
    SNS_REQUESTS,
    WRITE_UNITS,
    READ_UNITS,
    TABLE_STORAGE,
    TABLE_BACKUPS,
    LAMBDA_REQUESTS,
    GIGABYTE_SECONDS,
    LOG_BYTES,
    LOG_STORAGE,
    CUSTOM_METRICS,
    ALARM_METRICS,
    COMPOSITE_ALARMS,
    DASHBOARDS,
    SECRETS,
    SCHEDULED,
    KEYS,
    KEY_REQUESTS,
    TOKENS,
];

/// As AWS counts storage and logs.
pub const GIGABYTE: f64 = 1_073_741_824.0;

pub fn of(meter: Meter) -> Price {
    match meter {
        Meter::ApiRequests => API_REQUESTS,
        Meter::FifoRequests => FIFO_REQUESTS,
        Meter::StandardRequests => STANDARD_REQUESTS,
        Meter::SnsRequests => SNS_REQUESTS,
        Meter::WriteUnits => WRITE_UNITS,
        Meter::ReadUnits => READ_UNITS,
        Meter::LambdaRequests => LAMBDA_REQUESTS,
        Meter::GigabyteSeconds => GIGABYTE_SECONDS,
        Meter::LogBytes => LOG_BYTES,
    }
}

/// All that was used, in dollars.
pub fn total(usage: &Usage) -> f64 {
    Meter::ALL.iter().map(|meter| of(*meter).times(usage.of(*meter))).sum()
}
