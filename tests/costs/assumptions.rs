//! What cannot be counted in process, and is assumed instead. The page says all of it.

use std::time::Duration;

/// How long a call to AWS takes. Billed time is what an invocation waits for such calls, on virtual time, and its CPU.
pub const CALL: Duration = Duration::from_millis(8);

/// CPU of a whole core for each command, event or read. It is what one takes alone; in batches it is less.
pub const CPU_EACH: Duration = Duration::from_micros(500);

/// Events that the webhook dispatcher gets at once: it gathers them for two seconds, and there are ten a second.
pub const GATHERED: usize = 20;

/// The memory with which Lambda gives a function a whole core, in MB.
pub const MEMORY_OF_A_CORE: f64 = 1769.0;

/// Bytes that Lambda's own JSON lines take per invocation (`platform.start`, `platform.report`), where it logs them.
pub const LAMBDA_LOG_BYTES: f64 = 550.0;

/// Bytes of a request's line in the API's access log.
pub const ACCESS_LOG_BYTES: f64 = 540.0;

/// What CloudWatch adds to each line that it takes in.
pub const LINE_OVERHEAD_BYTES: f64 = 26.0;

/// What is left of a stored log line's size after compression.
pub const LOG_COMPRESSION: f64 = 0.15;

/// How many pollers Lambda keeps for a queue that is empty. It goes down to two only where no maximum concurrency is set.
pub const IDLE_POLLERS: f64 = 5.0;

/// How long a poller waits for a message before it asks again.
pub const LONG_POLL: Duration = Duration::from_secs(20);

/// For how long DynamoDB and SNS remember a key, per function and table.
pub const KEY_CACHE: Duration = Duration::from_mins(5);

/// Pairs of a function and a table or topic whose key has to be asked for while commands flow.
pub const KEY_USERS: f64 = 20.0;

/// For how long an access token is good, and a client keeps it.
pub const TOKEN_LIFE: Duration = Duration::from_hours(1);

pub const MONTH: Duration = Duration::from_hours(730);

/// How often something happens in a month that happens every so often.
pub fn a_month(every: Duration) -> f64 {
    MONTH.as_secs_f64() / every.as_secs_f64()
}
