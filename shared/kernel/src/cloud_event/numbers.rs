//! Numbers that would be read as other numbers than were sent.
//!
//! JSON bounds no number (RFC 8259, section 6); readers do. Here, as in most places, a whole number is read exactly if it
//! has 64 bits, and everything else as a double. Where that gives another number, the sender should hear of it, and not
//! the sender's customer.

use std::fmt::Write as _;

/// Significant digits that a double gives back in any case, and the most that it can be asked for: what prints doubles
/// with 17 digits always (C's `%.17g`) is understood as well as what prints the fewest.
const ALWAYS: usize = 15;
const MOST: usize = 17;

/// Powers of ten that a double of up to 17 digits reaches without coming near its ends.
const SMALL: i64 = 250;

/// The JSON Pointer (RFC 6901) of the first number that cannot be read exactly, in valid JSON: one with more digits than a
/// double gives back, or one too close to zero.
pub fn first_inexact_number(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = after_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let end = after_number(bytes, at);
                if !is_exact(&json[at..end]) {
                    return Some(pointer_to(json, at));
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    None
}

fn after_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn after_number(bytes: &[u8], start: usize) -> usize {
    let of_numbers = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    start + bytes[start..].iter().take_while(|byte| of_numbers(byte)).count()
}

fn is_exact(number: &str) -> bool {
    if number.len() <= ALWAYS && !number.contains(['e', 'E']) {
        return true;
    }
    let Some(decimal) = Decimal::of(number) else { return false };
    if decimal.digits.is_empty() || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return true;
    }
    if decimal.digits.len() <= ALWAYS && decimal.exponent.abs() <= SMALL {
        return true;
    }
    let Some(double) = number.parse::<f64>().ok().filter(|_| decimal.digits.len() <= MOST) else { return false };
    // What the double prints: with as many digits as were sent, or with as few as it takes. Where two numbers are as close
    // to the double, either may be sent, and these two ways of printing choose differently.
    let printed = [format!("{double:.0$e}", decimal.digits.len() - 1), format!("{double:e}")];
    printed.iter().any(|printed| Decimal::of(printed).as_ref() == Some(&decimal))
}

/// A number without its sign: `0.DIGITS` times ten to the exponent. Zero has no digits.
#[derive(PartialEq, Eq)]
struct Decimal {
    /// Without zeros at either end.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// `None` where the exponent is out of all bounds.
    fn of(number: &str) -> Option<Self> {
        let number = number.trim_start_matches('-');
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { digits, exponent: 0 });
        }
        let leading = i64::try_from(all.len() - significant.len()).ok()?;
        let exponent = exponent.parse::<i64>().ok()?.checked_add(i64::try_from(whole.len()).ok()? - leading)?;
        Some(Self { digits, exponent })
    }
}

/// Where in an array or an object.
enum Step<'a> {
    Item(usize),
    /// The name as written, with its quotes; empty before the first one.
    Member(&'a str),
}

/// The pointer to the value that begins at this byte of valid JSON.
fn pointer_to(json: &str, target: usize) -> String {
    let bytes = json.as_bytes();
    let mut path: Vec<Step<'_>> = Vec::new();
    let (mut at, mut string) = (0, "");
    while at < target {
        let next = at + 1;
        match bytes[at] {
            b'[' => path.push(Step::Item(0)),
            b'{' => path.push(Step::Member("")),
            b']' | b'}' => _ = path.pop(),
            b',' => {
                if let Some(Step::Item(index)) = path.last_mut() {
                    *index += 1;
                }
            }
            b':' => {
                if let Some(Step::Member(name)) = path.last_mut() {
                    *name = string;
                }
            }
            _ => {}
        }
        at = if bytes[at] == b'"' { after_string(bytes, at) } else { next };
        if bytes[next - 1] == b'"' {
            string = &json[next - 1..at];
        }
    }
    let mut pointer = String::new();
    for step in path {
        match step {
            Step::Item(index) => _ = write!(pointer, "/{index}"),
            Step::Member(name) => {
                let name: String = serde_json::from_str(name).unwrap_or_default();
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_that_are_read_as_they_were_sent() {
        for exact in [
            "0",
            "-0",
            "0.0",
            "-0e0",
            "0e999999999999",
            "0.000",
            "1",
            "-1",
            "1.0",
            "1e2",
            "1E+2",
            "10e-1",
            "0.1",
            "-0.1",
            "4.50",
            "123456789012345",
            "0.30000000000000004",
            "0.10000000000000001",
            "2.718281828459045",
            "1.7976931348623157e308",
            "5e-324",
            "2.2250738585072014e-308",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "9007199254740993",
            "1e19",
            "4.9e-324",
            "1988163185691294.2",
            "1988163185691294.3",
            "100000000000000000000",
            "1e300",
            "1.5e-300",
            "1000000000000000000000000000000e-30",
            "0.1000000000000000000000000000",
        ] {
            assert_eq!(first_inexact_number(exact), None, "{exact}");
        }
    }

    #[test]
    fn numbers_that_would_be_read_as_others() {
        for inexact in [
            "1e-400",
            "-1e-400",
            "1.0000000000000000001",
            "0.1000000000000000055",
            "9007199254740993.0",
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901234567890",
            "0.12345678901234567890",
            "2e-324",
            "1988163185691294.4",
            "1.23e-322",
            "1e-99999999999999999999",
            "0.30000000000000001",
            "3.14159265358979323846",
        ] {
            assert_eq!(first_inexact_number(inexact).as_deref(), Some(""), "{inexact}");
        }
    }

    #[test]
    fn the_first_one_is_found_wherever_it_is() {
        for (json, pointer) in [
            (r#"{"a":[1,{"b":2.5,"c":1e-400}],"d":1e-401}"#, "/a/1/c"),
            (r#"[[],{},"1e-400",[1],{"x":{"y":[0,0]}},1e-400]"#, "/5"),
            (r#"{"a":{"z":[1]},"b~/\"\u0041":1e-400}"#, "/b~0~1\"A"),
            (r#" { "" : [ { "1e-400" : "\\" , "n" : -1e-400 } ] } "#, "//0/n"),
        ] {
            assert_eq!(first_inexact_number(json).as_deref(), Some(pointer), "{json}");
        }
        assert_eq!(first_inexact_number(r#"{"1e-400":"1e-400","a":"\"1e-400","b":[1,2]}"#), None);
    }

    proptest! {
        #[test]
        fn what_a_double_prints_is_exact(double in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            for text in [format!("{double}"), format!("{double:e}"), format!("{double:?}"), format!("{double:.16e}")] {
                prop_assert_eq!(first_inexact_number(&text), None, "{}", text);
            }
        }

        #[test]
        fn whole_numbers_of_64_bits_are_exact(signed: i64, unsigned: u64) {
            prop_assert_eq!(first_inexact_number(&format!("[{signed},{unsigned}]")), None);
        }

        #[test]
        fn a_pointer_leads_to_a_number(json in testable_json()) {
            if let Some(pointer) = first_inexact_number(&json) {
                let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
                prop_assert!(value.pointer(&pointer).is_some_and(serde_json::Value::is_number), "{}", pointer);
            }
        }
    }

    fn testable_json() -> impl Strategy<Value = String> {
        let leaf =
            prop_oneof!["-?[0-9]{1,20}".prop_map(|text| text.replacen("00", "10", 1)), Just("1e-400".to_owned())]
                .prop_filter("JSON", |text| serde_json::from_str::<serde_json::Value>(text).is_ok());
        leaf.prop_recursive(4, 16, 4, |inner| {
            let name = "[a-c~/]{0,2}";
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
                proptest::collection::btree_map(name, inner, 0..4).prop_map(|members| {
                    let members: Vec<_> = members.iter().map(|(name, value)| format!("{name:?}: {value}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }
}
