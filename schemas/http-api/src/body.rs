//! A request's body, from bytes that arrive in time to JSON that can be trusted.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::problem::{Kind, Problem};
use crate::strict;
pub use crate::strict::escaped;

/// What is read and thrown away of a body that is too large, so that its sender gets to the answer.
const DISCARDED_MAX: u64 = 16 * 1024 * 1024;

/// A body as it came, and where to.
#[derive(Debug)]
pub struct Received {
    /// The path that it was sent to.
    pub path: String,
    /// What came before it.
    pub headers: HeaderMap,
    /// The body, untouched.
    pub bytes: Vec<u8>,
}

/// All of a body, if it is announced as JSON, arrives in time, and is no larger than allowed.
///
/// # Errors
/// When one of these is not so.
pub async fn receive(
    request: Request<Body>,
    bytes_max: u64,
    arrival_max: Duration,
) -> Result<Received, Problem> {
    let (parts, mut body) = request.into_parts();
    is_json(&parts.headers)?;
    let too_large = || Problem::new(Kind::PayloadTooLarge, format!("a body has at most {bytes_max} bytes"));
    let announced =
        parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > DISCARDED_MAX) {
        return Err(too_large());
    }
    let (mut bytes, mut received, deadline) = (Vec::new(), 0, Instant::now() + arrival_max);
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| {
            Problem::new(Kind::RequestTimeout, format!("a body has {} ms to arrive", arrival_max.as_millis()))
        })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| {
            Problem::new(Kind::MalformedJson, "the body broke off or is not framed as announced")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        received += data.len() as u64;
        if received > DISCARDED_MAX {
            break;
        }
        if received <= bytes_max {
            bytes.extend_from_slice(&data);
        }
    }
    if received > bytes_max {
        Err(too_large())
    } else {
        Ok(Received { path: parts.uri.path().to_owned(), headers: parts.headers, bytes })
    }
}

impl Received {
    /// What the body says.
    ///
    /// # Errors
    /// When it is not the JSON that we read; the problem names the place.
    pub fn json(&self) -> Result<Value, Problem> {
        strict::parse(&self.bytes)
            .map_err(|malformed| Problem::new(Kind::MalformedJson, malformed.problem).at(malformed.pointer))
    }
}

/// What a body means, member by member; where it means nothing, a problem of this kind names the place.
///
/// # Errors
/// When a member is missing, unknown, or not what it should be.
pub fn typed<T: DeserializeOwned>(body: &Value, kind: Kind) -> Result<T, Problem> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let pointer: String = error
            .path()
            .iter()
            .map(|step| format!("/{}", escaped(&step.to_string().replace(['[', ']'], ""))))
            .collect();
        Problem::new(kind, error.into_inner().to_string()).at(pointer)
    })
}

/// Whether the body is announced as plain JSON.
fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |detail: &str| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    if headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        return refused("a content-encoding is not taken");
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn with(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
        let value = |value: &&[u8]| (name.clone(), HeaderValue::from_bytes(value).unwrap());
        values.iter().map(value).collect()
    }

    #[test]
    fn only_plain_json_is_read() {
        let json = |value: &str| is_json(&with(&CONTENT_TYPE, &[value.as_bytes()])).is_ok();
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
        let mut zipped = with(&CONTENT_TYPE, &[b"application/json"]);
        zipped.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(is_json(&zipped).is_err());
    }
}
