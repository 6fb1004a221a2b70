//! What a request's headers say, and what its answer's say back.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use event_store::SubjectId;
use events::{AggregateId, TenantId};

use crate::problem::{Kind, Problem};

/// Names all that follows from one request; taken from the client or made here, and always answered.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("correlation-id");
/// The version that the client has seen, as an entity tag.
pub const IF_MATCH: HeaderName = axum::http::header::IF_MATCH;
/// What the sender calls its request: copies of it are answered, not carried out.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `true` on the answer to a copy.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Whose personal data the request brings; without it, its actor's.
pub const SUBJECT: HeaderName = HeaderName::from_static("millrace-subject");
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Where the command's events are: pass it to a read that must be as fresh.
pub const TOKEN: HeaderName = HeaderName::from_static("millrace-token");

/// The longest correlation id and subject, in characters.
const NAME_CHARS_MAX: usize = 128;

/// The longest idempotency key, in characters.
const KEY_CHARS_MAX: usize = 255;

/// A header that says something once, in visible ASCII.
///
/// # Errors
/// When it is there, but twice, too long, empty or of other characters.
pub fn text<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    chars_max: usize,
) -> Result<Option<&'h str>, Problem> {
    let refused = |problem: String| {
        Err(Problem::new(Kind::InvalidParameter, format!("{name} {problem}"))
            .with("parameter", name.as_str()))
    };
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return refused("is given twice".to_owned());
    }
    match value.to_str() {
        Ok(text) if (1..=chars_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(text))
        }
        _ => refused(format!("is not 1 to {chars_max} visible ASCII characters")),
    }
}

/// The client's correlation id.
///
/// # Errors
/// When there is one that cannot be used.
pub fn correlation_id(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    text(headers, &CORRELATION_ID, NAME_CHARS_MAX)
}

/// What the client calls its request.
///
/// # Errors
/// When there is a key that cannot be used.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    text(headers, &IDEMPOTENCY_KEY, KEY_CHARS_MAX)
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

/// A version as decimal digits: 0 stands before the first event, and the store counts to 2^63 - 1.
pub fn version(digits: &str) -> Option<u64> {
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let version = if is_plain { digits.parse().ok() } else { None };
    version.filter(|version| i64::try_from(*version).is_ok())
}

/// The trace this request belongs to. One that cannot be read is as good as none, says the W3C (Trace Context, 3.2).
pub fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = text(headers, &TRACEPARENT, 55).ok().flatten()?;
    let parts: Vec<_> = text.split('-').collect();
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    match parts[..] {
        ["00", trace, span, flags] if hex(trace, 32) && hex(span, 16) && hex(flags, 2) => {
            (!zero(trace) && !zero(span)).then_some(text)
        }
        _ => None,
    }
}

/// Whether the body is announced as plain JSON.
///
/// # Errors
/// When it is not.
pub fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |detail: &str| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    if headers.get_all(axum::http::header::CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        return refused("a content-encoding is not taken");
    }
    let mut types = headers.get_all(axum::http::header::CONTENT_TYPE).iter();
    let (Some(one), None) = (types.next(), types.next()) else {
        return refused("exactly one content-type is needed: application/json");
    };
    let mut parts = one.to_str().unwrap_or_default().split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let is_utf_8 = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    };
    if is_json && parts.all(is_utf_8) {
        Ok(())
    } else {
        refused("the content-type is not application/json in UTF-8")
    }
}

/// Where a command's events are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Token {
    /// Whose data.
    #[schema(value_type = String, example = "acme")]
    pub tenant: TenantId,
    /// Which aggregate.
    #[schema(value_type = String, format = "uuid")]
    pub aggregate_id: AggregateId,
    /// Its version after the command.
    #[schema(minimum = 0)]
    pub version: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, aggregate_id, version } = self;
        write!(f, "{tenant}/{aggregate_id}/{version}")
    }
}

/// A version as an entity tag.
pub fn entity_tag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes are a header")
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

    #[test]
    fn a_trace_that_cannot_be_read_is_none() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = |value: &str| traceparent(&with(&TRACEPARENT, &[value.as_bytes()])).is_some();
        assert!(read(good));
        assert!(!read(&good.to_uppercase()));
        assert!(!read(&good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32))));
        assert!(!read("junk"));
    }

    #[test]
    fn only_plain_json_is_read() {
        let json =
            |value: &str| is_json(&with(&axum::http::header::CONTENT_TYPE, &[value.as_bytes()])).is_ok();
        assert!(json("application/json"));
        assert!(json("Application/JSON; charset=\"UTF-8\""));
        for refused in [
            "text/plain",
            "application/json; charset=utf-7",
            "application/json; x=y",
            "application/jsonp",
            "",
        ] {
            assert!(!json(refused), "{refused}");
        }
        let mut zipped = with(&axum::http::header::CONTENT_TYPE, &[b"application/json"]);
        zipped.insert(axum::http::header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(is_json(&zipped).is_err());
    }
}
