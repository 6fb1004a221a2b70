//! What a request's headers say, and what its answer's say back.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use event_store::{IdempotencyKey, SubjectId};
use http_api::body::Received;
use http_api::headers::{NAME_CHARS_MAX, text, version};
use http_api::problem::{Kind, Problem};

/// The version that the client has seen, as an entity tag.
pub const IF_MATCH: HeaderName = axum::http::header::IF_MATCH;
/// What the sender calls its request: copies of it are answered, not carried out.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `true` on the answer to a copy.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Whose personal data the request brings; without it, its actor's.
pub const SUBJECT: HeaderName = HeaderName::from_static("millrace-subject");
/// The longest idempotency key, in characters.
const KEY_CHARS_MAX: usize = 255;

/// What the client calls its request. Its path, its data subject and its body, to the byte, are what the key stands for.
///
/// # Errors
/// When there is a key that cannot be used.
pub fn idempotency_key(received: &Received) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(key) = text(&received.headers, &IDEMPOTENCY_KEY, KEY_CHARS_MAX)? else { return Ok(None) };
    let subject = subject(&received.headers)?;
    let subject = subject.as_ref().map_or("", SubjectId::as_str);
    let asked = [received.path.as_bytes(), b"\n", subject.as_bytes(), b"\n", &received.bytes].concat();
    Ok(Some(IdempotencyKey::new(key, &asked).expect("the header has what a key may have")))
}

/// Whose personal data the request brings.
///
/// # Errors
/// When somebody is named who cannot be.
pub fn subject(headers: &HeaderMap) -> Result<Option<SubjectId>, Problem> {
    let Some(name) = text(headers, &SUBJECT, NAME_CHARS_MAX)? else { return Ok(None) };
    name.parse().map(Some).map_err(|_| {
        let detail = "millrace-subject is not a data subject's name: letters, digits and -_.: do";
        Problem::new(Kind::InvalidParameter, detail).with("parameter", SUBJECT.as_str())
    })
}

/// Says that an answer is that of an earlier copy; nothing where it is not.
pub fn repeated(repeated: bool) -> Option<[(HeaderName, HeaderValue); 1]> {
    repeated.then(|| [(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"))])
}

/// The version that the client has seen.
///
/// # Errors
/// When `If-Match` is anything but one version in quotes.
pub fn expected_version(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(tag) = text(headers, &IF_MATCH, NAME_CHARS_MAX)? else { return Ok(None) };
    let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(version);
    let refused = || {
        Problem::new(Kind::InvalidParameter, "if-match is not one version in quotes, such as \"3\"")
            .with("parameter", IF_MATCH.as_str())
    };
    version.map(Some).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
        let value = |value: &&[u8]| (name.clone(), HeaderValue::from_bytes(value).unwrap());
        values.iter().map(value).collect()
    }

    #[test]
    fn if_match_is_one_version_in_quotes() {
        let read = |value: &str| expected_version(&with(&IF_MATCH, &[value.as_bytes()])).ok().flatten();
        assert_eq!(read("\"0\""), Some(0));
        assert_eq!(read("\"9223372036854775807\""), Some(i64::MAX as u64));
        for refused in [
            "3",
            "\"-1\"",
            "\"+1\"",
            "\"03\"",
            "\"\"",
            "\"9223372036854775808\"",
            "\"1\",\"2\"",
            "W/\"1\"",
            "*",
            "\"1.0\"",
            "\"x\"",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
        assert_eq!(expected_version(&HeaderMap::new()), Ok(None));
    }
}
