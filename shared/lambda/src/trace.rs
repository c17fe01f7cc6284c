//! W3C Trace Context: one trace id from the client's request to the read model.

use kernel::command::MAX_TRACESTATE;
use lambda_http::Request;
use tracing::Span;

use crate::request::header;

/// Where something stands in a trace, in the form of version 00.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// A valid `traceparent`.
    pub parent: String,
    /// Its `tracestate`, at most [`MAX_TRACESTATE`] characters.
    pub state: Option<String>,
}

impl Trace {
    /// A new trace.
    pub fn begin() -> Self {
        Self { parent: format!("00-{:032x}-{:016x}-01", fastrand::u128(1..), fastrand::u64(1..)), state: None }
    }

    /// What a caller says; `None` where `traceparent` is absent or invalid, and then the state means nothing
    /// (section 4.3).
    pub fn read(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<Self> {
        Some(Self { parent: parent(traceparent?)?, state: tracestate.and_then(state) })
    }
}

/// The trace that a request is part of; `None` where its sender says none.
pub fn of(request: &Request) -> Option<Trace> {
    Trace::read(header(request, "traceparent"), header(request, "tracestate"))
}

/// Puts the request's trace, if it is part of one, into the current span's field `trace_id`.
pub fn record(request: &Request) {
    Span::current().record("trace_id", header(request, "traceparent").and_then(id));
}

/// The trace id in a `traceparent`: 32 hexadecimal digits, not all zero.
pub fn id(traceparent: &str) -> Option<&str> {
    Fields::read(traceparent).map(|fields| fields.trace)
}

/// The fields that version 00 has.
struct Fields<'a> {
    version: &'a str,
    trace: &'a str,
    parent: &'a str,
    flags: &'a str,
}

impl<'a> Fields<'a> {
    /// A later version is read as far as 00 goes (section 3.2.4): it begins as 00 does, and a dash or nothing follows.
    fn read(traceparent: &'a str) -> Option<Self> {
        let mut parts = traceparent.splitn(5, '-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let some = |text: &str| text.bytes().any(|byte| byte != b'0');
        let well_formed = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
        let known = version != "ff" && (version != "00" || parts.next().is_none());
        (well_formed && known && some(trace) && some(parent)).then_some(Self { version, trace, parent, flags })
    }
}

/// A `traceparent` in version 00. Of a later version's flags only the first is known: whether the trace is sampled.
fn parent(traceparent: &str) -> Option<String> {
    let Fields { version, trace, parent, flags } = Fields::read(traceparent)?;
    if version == "00" {
        return Some(traceparent.to_owned());
    }
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1;
    Some(format!("00-{trace}-{parent}-{sampled:02x}"))
}

/// A `tracestate` (section 3.3) without empty members and the white space between them; `None` if there is nothing in it,
/// or if it breaks its grammar, for then all of it is dropped. From one that is too long members are taken out, first
/// those of more than 128 characters, then those at its end (section 3.3.1.5).
fn state(tracestate: &str) -> Option<String> {
    const MOST: usize = 32;
    const LONG: usize = 128;
    let mut members: Vec<&str> = tracestate
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
        .collect();
    let keys: Option<Vec<&str>> = members.iter().map(|member| key_of(member)).collect();
    let keys = keys?;
    if members.len() > MOST || (1..keys.len()).any(|nth| keys[..nth].contains(&keys[nth])) {
        return None;
    }
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    while length(&members) > MAX_TRACESTATE {
        let longest = members.iter().rposition(|member| member.len() > LONG);
        members.remove(longest.unwrap_or(members.len() - 1));
    }
    (!members.is_empty()).then(|| members.join(","))
}

/// The key of a valid list member.
fn key_of(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    let key_fits =
        (1..=256).contains(&key.len()) && key.bytes().all(plain) && key.as_bytes()[0].is_ascii_alphanumeric();
    let value_fits =
        (1..=256).contains(&value.len()) && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=');
    (key_fits && value_fits).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parent_of(traceparent: &str) -> Option<String> {
        Trace::read(Some(traceparent), None).map(|trace| trace.parent)
    }

    #[test]
    fn a_valid_traceparent_is_kept_and_anything_else_is_none() {
        assert_eq!(parent_of(VALID).as_deref(), Some(VALID));
        for bad in [
            "",
            "00-0-0-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &VALID.to_uppercase(),
            &format!("{VALID}-more"),
            &format!("{VALID},{VALID}"),
            &VALID.replacen("00", "ff", 1),
            &VALID.replacen("00", "0", 1),
            &VALID[..52],
        ] {
            assert_eq!(parent_of(bad), None, "{bad}");
        }
        let begun = Trace::begin();
        assert_eq!(Trace::read(Some(&begun.parent), None), Some(begun));
    }

    #[test]
    fn a_later_version_is_read_as_far_as_version_00_goes() {
        let later = |rest: &str| format!("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{rest}");
        for (rest, flags) in
            [("01", "01"), ("00", "00"), ("03", "01"), ("fe", "00"), ("01-what-is-new", "01"), ("01-", "01")]
        {
            let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            assert_eq!(parent_of(&later(rest)), Some(expected), "{rest}");
            assert_eq!(id(&later(rest)), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        }
        assert_eq!(parent_of(&later("01.new")), None);
        assert_eq!(parent_of(&later("")), None);
    }

    #[test]
    fn a_tracestate_goes_with_a_valid_traceparent_alone() {
        let state = |parent, state| Trace::read(Some(parent), Some(state)).and_then(|trace| trace.state);
        assert_eq!(
            state(VALID, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE").as_deref(),
            Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
        );
        assert_eq!(state(VALID, " a=1 ,, 2b@c=x y,\td*/_-=~ ").as_deref(), Some("a=1,2b@c=x y,d*/_-=~"));
        for nothing in ["", " , ", "a", "=1", "A=1", "a=", "a=1,a=2", "a=b=c", "a=ä", "a\u{1}=b", "a=1,b"] {
            assert_eq!(state(VALID, nothing), None, "{nothing}");
        }
        assert_eq!(Trace::read(Some("none"), Some("a=1")), None);
        assert_eq!(Trace::read(None, Some("a=1")), None);
    }

    #[test]
    fn a_tracestate_that_is_too_long_loses_its_long_members_first_and_then_its_last() {
        let state = |text: &str| Trace::read(Some(VALID), Some(text)).and_then(|trace| trace.state);
        let member = |name: &str, length: usize| format!("{name}={}", "x".repeat(length - name.len() - 1));
        let (short, long) = (|name| member(name, 100), member("long", 129));
        let all = [short("a"), long.clone(), short("b"), short("c"), short("d"), short("e"), short("f")].join(",");
        assert_eq!(state(&all), Some([short("a"), short("b"), short("c"), short("d"), short("e")].join(",")));
        let full = [member("a", 255), member("b", 256)].join(",");
        assert_eq!((full.len(), state(&full)), (MAX_TRACESTATE, Some(full)));
        let many = |count: usize| (0..count).map(|nth| format!("k{nth}=v")).collect::<Vec<_>>().join(",");
        assert_eq!(state(&many(32)), Some(many(32)));
        assert_eq!(state(&many(33)), None);
    }
}
