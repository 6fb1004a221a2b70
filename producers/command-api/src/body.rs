//! A request's body, from bytes that arrive in time to JSON that can be trusted.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Request};
use event_store::{IdempotencyKey, SubjectId};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::headers;
use crate::strict;
use http_api::problem::{Kind, Problem};

/// What is read and thrown away of a body that is too large, so that its sender gets to the answer.
const DISCARDED_MAX: u64 = 16 * 1024 * 1024;

/// A body as it came, and where to.
#[derive(Debug)]
pub(crate) struct Received {
    path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

/// All of a body, if it is announced as JSON, arrives in time, and is no larger than allowed.
pub(crate) async fn receive(
    request: Request<Body>,
    bytes_max: u64,
    arrival_max: Duration,
) -> Result<Received, Problem> {
    let (parts, mut body) = request.into_parts();
    headers::is_json(&parts.headers)?;
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
    /// What the sender calls this request. Its path, its data subject and its body, to the byte, are what the key stands for.
    pub(crate) fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Problem> {
        let Some(key) = headers::idempotency_key(&self.headers)? else { return Ok(None) };
        let subject = headers::subject(&self.headers)?;
        let subject = subject.as_ref().map_or("", SubjectId::as_str);
        let asked = [self.path.as_bytes(), b"\n", subject.as_bytes(), b"\n", &self.bytes].concat();
        Ok(Some(IdempotencyKey::new(key, &asked).expect("the header has what a key may have")))
    }

    /// What the body says.
    pub(crate) fn json(&self) -> Result<Value, Problem> {
        strict::parse(&self.bytes)
            .map_err(|malformed| Problem::new(Kind::MalformedJson, malformed.problem).at(malformed.pointer))
    }
}
