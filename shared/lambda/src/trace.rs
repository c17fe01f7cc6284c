//! W3C Trace Context: one trace id from the client's request to the read model.

/// A valid `traceparent` (version 00), or a new one.
pub fn parent_or_new(header: Option<&str>) -> String {
    match header {
        Some(header) if id(header).is_some() => header.to_owned(),
        _ => format!("00-{:032x}-{:016x}-01", fastrand::u128(1..), fastrand::u64(1..)),
    }
}

/// The trace id in a `traceparent`: 32 hexadecimal digits, not all zero.
pub fn id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let some = |text: &str| text.bytes().any(|byte| byte != b'0');
    let well_formed = version == "00" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && parts.next().is_none();
    (well_formed && some(trace) && some(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_traceparent_is_kept_and_anything_else_replaced() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(parent_or_new(Some(valid)), valid);
        for bad in ["", "00-0-0-0", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", &valid.to_uppercase()] {
            let new = parent_or_new(Some(bad));
            assert_ne!(new, bad);
            assert!(id(&new).is_some(), "{new}");
        }
    }
}
