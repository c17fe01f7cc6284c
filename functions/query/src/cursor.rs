//! Where to go on in a list: a place, which is a time and an id, in a form that promises nothing about what is in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kernel::ids::AggregateId;
use kernel::timestamp::Timestamp;

/// The cursor of a place.
pub fn write(place: &str) -> String {
    BASE64.encode(place)
}

/// The place that a cursor was made of; `None` if it cannot have been given out.
pub fn read(cursor: &str) -> Option<String> {
    let place = String::from_utf8(BASE64.decode(cursor).ok()?).ok()?;
    let (time, id) = place.split_once('#')?;
    (Timestamp::is_written(time) && AggregateId::parse(id).is_ok()).then_some(place)
}
