//! Where to go on in a list: what is read of a cursor is what the cursor was made of.

#![no_main]

use libfuzzer_sys::fuzz_target;
use operator::ParkingId;
use query::cursor;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    of(text);
    // Most bytes are no base64, so what they would be the content of is read as well.
    of(&cursor::write(text));
});

fn of(text: &str) {
    if let Some(place) = cursor::read(text) {
        assert_eq!(cursor::write(&place), text);
        assert!(place.len() < 200, "DynamoDB takes no longer key than a kilobyte: {place}");
    }
    if let Some(parking) = ParkingId::read(text) {
        assert_eq!(parking.to_string(), text);
        assert!(parking.tenant.is_none_or(|tenant| !tenant.as_str().contains('#')), "{text}");
    }
}
