//! Frames: what client and server say to each other over a WebSocket connection. Each is a JSON object in a text frame.
//! `asyncapi.yaml` describes them.

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::operation::Operation;
use crate::problem::Problem;

/// Bytes of a frame that a client may send: API Gateway takes no larger one, and closes the connection.
pub const MAX_REQUEST_BYTES: usize = 32 * 1024;

/// Receipts in one frame.
pub const MOST_OPERATIONS: usize = 50;

/// Bytes of operations in one frame to a client: API Gateway sends 128 KiB at most.
const MOST_BYTES: usize = 100 * 1024;

/// What a client asks for. `id` is any text of the client's, which the answer repeats.
#[derive(Debug)]
pub enum Request {
    Submit(Submit),
    Follow(Follow),
    Unfollow(Follow),
    Ping(Ping),
}

/// Submits a command, as `POST /commands` does, and follows it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    #[serde(rename = "action")]
    _action: IgnoredAny,
    pub id: FrameId,
    /// A `CloudEvent` in structured mode.
    pub event: Box<RawValue>,
    /// Whether the operation is followed.
    #[serde(default = "yes")]
    pub follow: bool,
}

/// Follows operations, or follows them no more: by their receipts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    #[serde(rename = "action")]
    _action: IgnoredAny,
    pub id: FrameId,
    pub operations: Vec<String>,
}

/// Keeps the connection alive.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    #[serde(rename = "action")]
    _action: IgnoredAny,
    pub id: FrameId,
}

/// A frame that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id, if that can be.
    pub id: Option<FrameId>,
    /// For the client's developer.
    pub why: String,
}

impl Request {
    /// Reads a frame.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        /// Not an enum with a tag: serde would take the event apart to find the tag, and numbers would change.
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            action: serde_json::Value,
            #[serde(default)]
            id: serde_json::Value,
        }
        let head: Head = serde_json::from_str(text).map_err(|_| Unreadable {
            id: None,
            why: "a frame is a JSON object with an action and an id".to_owned(),
        })?;
        let id = head.id.as_str().and_then(|id| FrameId::try_from(id.to_owned()).ok());
        let read = match head.action.as_str() {
            Some("submit") => serde_json::from_str(text).map(Self::Submit),
            Some("follow") => serde_json::from_str(text).map(Self::Follow),
            Some("unfollow") => serde_json::from_str(text).map(Self::Unfollow),
            Some("ping") => serde_json::from_str(text).map(Self::Ping),
            _ => return Err(Unreadable { id, why: "action is submit, follow, unfollow or ping".to_owned() }),
        };
        read.map_err(|error| Unreadable { id, why: format!("the frame cannot be read: {error}") })
    }
}

/// What a client calls a frame of its own: 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct FrameId(#[schemars(length(min = 1, max = 64))] String);

/// Why a text is no id of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame's id has 1 to 64 characters")]
pub struct InvalidFrameId;

impl TryFrom<String> for FrameId {
    type Error = InvalidFrameId;

    fn try_from(id: String) -> Result<Self, InvalidFrameId> {
        if (1..=64).contains(&id.chars().count()) { Ok(Self(id)) } else { Err(InvalidFrameId) }
    }
}

fn yes() -> bool {
    true
}

/// What the server says. Where there is an `id`, it answers the client's frame of that id.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Frame {
    /// The command is queued: the answer to `submit`.
    Accepted {
        id: FrameId,
        operation: Box<Operation>,
    },
    /// How operations are doing. With an id, the answer to `follow`: now. Without one, pushed: one has ended, or is parked.
    Operations {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<FrameId>,
        operations: Vec<Operation>,
        /// Receipts of no operation of the tenant's. They are not followed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unknown: Vec<String>,
    },
    /// The operations are followed no more.
    Unfollowed {
        id: FrameId,
    },
    Pong {
        id: FrameId,
    },
    /// What was asked for is not done.
    Problem {
        /// Absent where the frame has none that can be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<FrameId>,
        problem: Box<Problem>,
        /// Seconds until the same may be asked for again, where that is known.
        #[serde(rename = "retryAfter", default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

impl Frame {
    /// How these operations are doing, in as many frames as that takes; one at least.
    pub fn of_operations(id: Option<&FrameId>, operations: Vec<Operation>, unknown: Vec<String>) -> Vec<Self> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        let mut batch = Vec::new();
        for operation in operations {
            let weight = serde_json::to_string(&operation).map_or(0, |text| text.len());
            if bytes + weight > MOST_BYTES && !batch.is_empty() {
                let operations = std::mem::take(&mut batch);
                frames.push(Self::Operations { id: id.cloned(), operations, unknown: Vec::new() });
                bytes = 0;
            }
            bytes += weight;
            batch.push(operation);
        }
        frames.push(Self::Operations { id: id.cloned(), operations: batch, unknown });
        frames
    }

    /// A problem, as the answer to a frame.
    pub fn of_problem(id: Option<FrameId>, problem: Problem) -> Self {
        Self::Problem { id, retry_after: problem.retry_after, problem: Box::new(problem) }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("frames have string keys")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::timestamp::Timestamp;

    fn id(text: &str) -> FrameId {
        FrameId(text.to_owned())
    }

    #[test]
    fn what_a_client_asks_for_is_read() {
        let text = r#"{"action":"submit","id":"1","event":{"specversion":"1.0","x":1.50}}"#;
        let Ok(Request::Submit(submit)) = Request::read(text) else { panic!("a submit") };
        assert_eq!((submit.event.get(), submit.follow), (r#"{"specversion":"1.0","x":1.50}"#, true), "as it was sent");
        let text = r#"{"id":"2","operations":["a","b"],"action":"follow"}"#;
        let Ok(Request::Follow(follow)) = Request::read(text) else { panic!("a follow") };
        assert_eq!((follow.id, follow.operations.len()), (id("2"), 2));
        let longest = json!({ "action": "ping", "id": "ä".repeat(64) }).to_string();
        assert!(matches!(Request::read(&longest), Ok(Request::Ping(_))));
    }

    #[test]
    fn what_cannot_be_read_is_told_under_its_id_if_it_has_one() {
        let longer = json!({ "action": "ping", "id": "a".repeat(65) }).to_string();
        for (wrong, named) in [
            (r#"{"action":"ping"}"#, None),
            (r#"{"action":"ping","id":""}"#, None),
            (r#"{"action":"ping","id":1}"#, None),
            (longer.as_str(), None),
            (r#"{"action":"pong","id":"1"}"#, Some(id("1"))),
            (r#"{"id":"1"}"#, Some(id("1"))),
            (r#"{"action":{},"id":"1"}"#, Some(id("1"))),
            (r#"{"action":"follow","id":"1","operations":"a"}"#, Some(id("1"))),
            (r#"{"action":"submit","id":"1"}"#, Some(id("1"))),
            (r#"{"action":"ping","id":"1","more":1}"#, Some(id("1"))),
            ("[]", None),
            ("", None),
        ] {
            let unreadable = Request::read(wrong).expect_err(wrong);
            assert_eq!(unreadable.id, named, "{wrong}: {}", unreadable.why);
        }
    }

    #[test]
    fn frames_name_what_they_are() {
        let told = |frame: &Frame| serde_json::from_str::<Value>(&frame.to_json()).expect("JSON");
        assert_eq!(told(&Frame::Pong { id: id("1") }), json!({ "type": "pong", "id": "1" }));
        let problem = Problem::too_many_requests("slower").to_be_tried_again_after(std::time::Duration::from_secs(3));
        let frame = told(&Frame::of_problem(None, problem));
        assert_eq!((&frame["type"], &frame["retryAfter"], frame.get("id")), (&json!("problem"), &json!(3), None));
    }

    #[test]
    fn operations_that_are_too_much_for_one_frame_are_in_several() {
        let mut large = Operation::accepted("r", Timestamp::from_millis(0));
        large.subject = Some("x".repeat(30_000));
        let frames = Frame::of_operations(Some(&id("1")), vec![large; 7], vec!["gone".to_owned()]);
        let mut count = 0;
        for (index, frame) in frames.iter().enumerate() {
            assert!(frame.to_json().len() < 128 * 1024);
            let Frame::Operations { id: Some(_), operations, unknown } = frame else { panic!("operations") };
            count += operations.len();
            assert_eq!(unknown.is_empty(), index + 1 < frames.len(), "told once");
        }
        assert_eq!((frames.len(), count), (3, 7));
        assert_eq!(Frame::of_operations(None, Vec::new(), Vec::new()).len(), 1);
    }
}
