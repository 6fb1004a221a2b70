//! The headers that requests and answers of every API have.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::problem::{Kind, Problem};

/// Names all that follows from one request; taken from the client or made here, and always answered.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("correlation-id");
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Where the command's events are: pass it to a read that must be as fresh.
pub const TOKEN: HeaderName = HeaderName::from_static("millrace-token");

/// The longest name that a header brings, in characters.
pub const NAME_CHARS_MAX: usize = 128;

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

/// A version as an entity tag.
pub fn entity_tag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes are a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_cannot_be_read_is_none() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = |value: &str| {
            traceparent(&HeaderMap::from_iter([(TRACEPARENT, HeaderValue::try_from(value).unwrap())]))
                .is_some()
        };
        assert!(read(good));
        assert!(!read(&good.to_uppercase()));
        assert!(!read(&good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32))));
        assert!(!read("junk"));
    }
}
