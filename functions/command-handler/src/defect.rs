//! What keeps a command from succeeding as it stands.

use kernel::parking::Reason;

/// Why a command must wait for a person.
#[derive(Debug, Clone)]
pub(crate) struct Defect {
    pub reason: Reason,
    pub error: String,
}

impl Defect {
    /// `error` is clipped: a panic may quote all that it panicked over, and must still fit beside the message.
    pub fn new(reason: Reason, mut error: String) -> Self {
        const MAX_ERROR: usize = 4 * 1024;
        error.truncate(error.floor_char_boundary(MAX_ERROR));
        Self { reason, error }
    }

    /// Whether another state might decide without this defect. So might a hang, but trying a hang again costs too much.
    pub fn is_of_its_state(&self) -> bool {
        matches!(self.reason, Reason::TooLarge | Reason::Panicked)
    }
}
