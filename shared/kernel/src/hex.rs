//! Bytes as lower-case hexadecimal digits.

pub(crate) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

/// Reads what [`encode`] wrote of sixteen bytes.
pub(crate) fn decode(text: &str) -> Option<[u8; 16]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bytes_read_back_and_nothing_else_does() {
        let bytes: [u8; 16] = *b"\x00\x01\x10\x12\x7f\x80\xab\xcd\xef\xf0\xff\x11\x99\x9a\xa9\xfe";
        let text = encode(&bytes);
        assert_eq!(decode(&text), Some(bytes));
        for bad in ["", &text[1..], &text[2..], &text.to_uppercase(), &format!("{text}0"), &text.replace('1', "g")] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
