//! A request's body as its sender had it, before they compressed it (RFC 9110, section 8.4), and never more of it than its
//! reader can take.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::bufread::GzDecoder;
use kernel::problem::Problem;
use lambda_http::Request;
use lambda_http::http::header::CONTENT_ENCODING;

/// What [`decoded`] understands besides a plain body: the value of `Accept-Encoding` in a 415 (RFC 9110, section 12.5.3).
pub const ACCEPTED: &str = "gzip";

/// Members of one gzip stream. Each costs some work, however short; senders that flush often make a few.
const MOST_MEMBERS: usize = 100;

/// Why there is no body to read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadContent {
    #[error("a body comes as it is or with Content-Encoding: gzip, and not {0}")]
    UnknownCoding(String),
    #[error("the body is not gzip, as Content-Encoding says it is: {0}")]
    NotGzip(String),
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
}

impl BadContent {
    /// What the sender is told. `malformed` makes the problem of a body that is not in the coding that it should be in.
    pub fn into_problem(self, malformed: impl FnOnce(String) -> Problem) -> Problem {
        let detail = self.to_string();
        match self {
            Self::UnknownCoding(_) => Problem::unsupported_media_type(detail).about(CONTENT_ENCODING.as_str()),
            Self::NotGzip(_) => malformed(detail).about(CONTENT_ENCODING.as_str()),
            Self::TooLarge(_) => Problem::too_large(detail),
        }
    }
}

/// The body without its content coding: at most so many bytes, and no more than that is ever made of it.
pub fn decoded(request: &Request, most: usize) -> Result<Cow<'_, [u8]>, BadContent> {
    let body: &[u8] = request.body().as_ref();
    if body.len() > most {
        return Err(BadContent::TooLarge(most));
    }
    if is_gzip(request)? { gunzip(body, most).map(Cow::Owned) } else { Ok(Cow::Borrowed(body)) }
}

/// Whether the only coding there is, but for `identity`, is gzip. A list (RFC 9110, section 5.6.1) may have empty elements.
fn is_gzip(request: &Request) -> Result<bool, BadContent> {
    let values = request.headers().get_all(CONTENT_ENCODING).iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let codings = values.iter().flat_map(|value| value.split(',')).map(|coding| coding.trim_matches([' ', '\t']));
    let codings: Vec<_> =
        codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).collect();
    match codings[..] {
        [] => Ok(false),
        // Section 8.4.1.3: the one is as good as the other.
        [coding] if ["gzip", "x-gzip"].iter().any(|gzip| coding.eq_ignore_ascii_case(gzip)) => Ok(true),
        _ => Err(BadContent::UnknownCoding(codings.join(", ").chars().take(64).collect())),
    }
}

/// All members of a gzip stream (RFC 1952, section 2.2), one after the other.
fn gunzip(mut rest: &[u8], most: usize) -> Result<Vec<u8>, BadContent> {
    let mut plain = Vec::new();
    for _ in 0..MOST_MEMBERS {
        let mut member = GzDecoder::new(rest);
        // One byte more than fits, to see that it does not.
        let left = most - plain.len() + 1;
        let read = member.by_ref().take(left as u64).read_to_end(&mut plain);
        if plain.len() > most {
            return Err(BadContent::TooLarge(most));
        }
        read.map_err(|error| BadContent::NotGzip(error.to_string()))?;
        rest = member.into_inner();
        if rest.is_empty() {
            return Ok(plain);
        }
    }
    Err(BadContent::NotGzip(format!("it has more than {MOST_MEMBERS} members")))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use lambda_http::Body;

    use super::*;

    const MOST: usize = 1000;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory takes it")
    }

    fn read(codings: &[&str], body: &[u8]) -> Result<Vec<u8>, BadContent> {
        let mut request = Request::new(Body::Binary(body.to_vec()));
        for coding in codings {
            request.headers_mut().append(CONTENT_ENCODING, coding.parse().expect("a value"));
        }
        decoded(&request, MOST).map(Cow::into_owned)
    }

    #[test]
    fn gzip_by_any_of_its_names_is_undone() {
        let compressed = gzip(b"tea");
        for codings in
            [&["gzip"][..], &["GZIP"], &["x-gzip"], &[" gzip\t"], &["identity, gzip"], &["identity", "Gzip,"]]
        {
            assert_eq!(read(codings, &compressed).as_deref(), Ok(&b"tea"[..]), "{codings:?}");
        }
        for codings in [&[][..], &["identity"], &[""], &["Identity, ,"]] {
            assert_eq!(read(codings, b"tea").as_deref(), Ok(&b"tea"[..]), "{codings:?}");
        }
    }

    #[test]
    fn another_coding_is_named() {
        for (codings, named) in [
            (&["br"][..], "br"),
            (&["deflate"], "deflate"),
            (&["gzip, br"], "gzip, br"),
            (&["gzip", "gzip"], "gzip, gzip"),
            (&["g zip"], "g zip"),
        ] {
            assert_eq!(read(codings, b"tea"), Err(BadContent::UnknownCoding(named.to_owned())));
        }
    }

    #[test]
    fn what_is_not_gzip_from_end_to_end_is_refused() {
        let whole = gzip(b"tea");
        let mut wrong_checksum = whole.clone();
        let checksum = whole.len() - 8;
        wrong_checksum[checksum] ^= 1;
        for body in [
            &b""[..],
            b"tea",
            b"{}",
            &whole[..whole.len() - 1],
            &whole[..12],
            &wrong_checksum,
            &[&whole[..], b"x"].concat(),
        ] {
            assert!(matches!(read(&["gzip"], body), Err(BadContent::NotGzip(_))), "{body:?}");
        }
    }

    #[test]
    fn members_are_one_text_and_a_bounded_number() {
        let members = |count: usize| gzip(b"tea").repeat(count);
        assert_eq!(read(&["gzip"], &members(3)).as_deref(), Ok(&b"teateatea"[..]));
        let empty = gzip(b"");
        assert_eq!(read(&["gzip"], &empty).as_deref(), Ok(&b""[..]));
        let mut request = Request::new(Body::Binary(empty.repeat(MOST_MEMBERS + 1)));
        request.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().expect("a value"));
        assert!(matches!(decoded(&request, 1_000_000), Err(BadContent::NotGzip(_))));
    }

    #[test]
    fn no_more_is_made_of_it_than_may_be() {
        assert_eq!(read(&["gzip"], &gzip(&[b' '; MOST])).map(|plain| plain.len()), Ok(MOST));
        for bomb in [gzip(&[b' '; MOST + 1]), gzip(&vec![b' '; 2_000_000]), gzip(&[b' '; MOST / 2]).repeat(3)] {
            let body = &bomb[..bomb.len().min(MOST)];
            assert_eq!(read(&["gzip"], body), Err(BadContent::TooLarge(MOST)));
        }
        assert_eq!(read(&[], &[b' '; MOST + 1]), Err(BadContent::TooLarge(MOST)));
    }
}
