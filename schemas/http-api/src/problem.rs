//! Every way in which a request can fail, and the one document that says so (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// The media type of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($kind:ident, $slug:literal, $status:ident, $title:literal, $about:literal;)+) => {
        /// What went wrong; the closed list. `PROBLEMS.md` is printed from it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $about] $kind,)+
        }

        impl Kind {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The last part of `type`.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug,)+ }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }

            /// A short summary, the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }

            /// What it means and what the client can do.
            pub fn about(self) -> &'static str {
                match self { $(Self::$kind => $about,)+ }
            }
        }
    };
}

kinds! {
    MalformedJson, "malformed-json", BAD_REQUEST, "The body is not the JSON we read",
        "Strict JSON in UTF-8: no name twice, no NUL, no lone surrogates, no byte order mark, nothing after the value, at most 16 levels deep. `field` points at the place.";
    InvalidCommand, "invalid-command", UNPROCESSABLE_ENTITY, "The JSON is not a command of this aggregate",
        "A field is missing, unknown, of the wrong type or out of range; `field` points at it. The commands are described in `/openapi.json`.";
    InvalidRequest, "invalid-request", UNPROCESSABLE_ENTITY, "The JSON is not what this path takes",
        "A field is missing, unknown, of the wrong type or out of range; `field` points at it. The bodies are described in `/openapi.json`.";
    InvalidParameter, "invalid-parameter", BAD_REQUEST, "A header, path or query parameter cannot be read",
        "`parameter` names it. Ids are UUIDs in lower case with hyphens; `If-Match` is one quoted version; `Idempotency-Key` is 1 to 255 visible ASCII characters.";
    Unauthenticated, "unauthenticated", UNAUTHORIZED, "No valid token was presented",
        "`Authorization: Bearer` needs a JWT that is signed by a known key, for this audience, by the right issuer, and in force. Which of these failed is not said.";
    Forbidden, "forbidden", FORBIDDEN, "The token's role does not allow this",
        "Commands need the role `writer` or `admin`; reading needs `reader`, `writer` or `admin`; what is done with parked keys needs `admin`.";
    NotFound, "not-found", NOT_FOUND, "There is no such thing",
        "No route or no such aggregate of this tenant. Another tenant's aggregate answers the same.";
    MethodNotAllowed, "method-not-allowed", METHOD_NOT_ALLOWED, "The path does not know this method",
        "`Allow` lists the methods that it knows.";
    RequestTimeout, "request-timeout", REQUEST_TIMEOUT, "The body took too long to arrive",
        "Send the whole body without a pause.";
    CommandRejected, "command-rejected", CONFLICT, "The rules say no",
        "The aggregate's rules refuse the command in its present state; nothing was recorded. `rejection` is the domain's name for the reason.";
    AggregateIdTaken, "aggregate-id-taken", CONFLICT, "The id cannot be used",
        "The id belongs to something else. Choose a new one; random UUIDs do not collide.";
    Contended, "contended", CONFLICT, "The aggregate changed during every attempt",
        "Others change it at the same time. Nothing was recorded; try again.";
    KeyBusy, "key-busy", CONFLICT, "The key is being worked on",
        "Something is asked for of this key already; nothing was recorded. `GET /v1/parked/requests` shows what, and when it is done.";
    KeyChanged, "key-changed", CONFLICT, "Other records than these are meant by now",
        "What blocks the key is not what was seen; nothing was recorded. Look at the key again, then decide.";
    KeyExhausted, "key-exhausted", CONFLICT, "Too many redrives of the key failed",
        "One more would not mend it; nothing was recorded. `force` redrives it all the same.";
    NotRepairable, "not-repairable", CONFLICT, "There is nothing to publish again",
        "The key waits for no version that the store has, or for one that was let by; nothing was recorded. `detail` says what it waits for.";
    VersionConflict, "version-conflict", PRECONDITION_FAILED, "The aggregate is at another version",
        "`If-Match` or `expected_version` named another version. Nothing was recorded. `conflicts` gives what was expected, the actual version, and the events in between (at most 100).";
    PayloadTooLarge, "payload-too-large", PAYLOAD_TOO_LARGE, "The body is too large",
        "A body has at most the stated number of bytes, a batch at most the stated number of commands.";
    UnsupportedMediaType, "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body is not plain JSON",
        "`Content-Type: application/json`, in UTF-8, without `Content-Encoding`.";
    TooSlow, "too-slow", UNPROCESSABLE_ENTITY, "The question takes too long to answer",
        "A filter or an order that no index serves, over too many rows. Asking again takes as long.";
    IdempotencyKeyReused, "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for another request",
        "The same key came with another path or body. Nothing was recorded; use a new key for a new request.";
    TooManyRequests, "too-many-requests", TOO_MANY_REQUESTS, "The tenant asks too much at once",
        "`Retry-After` says after how many seconds there is room again.";
    Internal, "internal", INTERNAL_SERVER_ERROR, "The request could not be served",
        "A fault of ours. The log has it under the correlation id.";
    Overloaded, "overloaded", SERVICE_UNAVAILABLE, "No room for one more request",
        "As many requests are being served as connections allow. Nothing was recorded; try again after `Retry-After` seconds.";
    Unavailable, "unavailable", SERVICE_UNAVAILABLE, "A server behind this one does not answer",
        "Nothing was recorded; try again after `Retry-After` seconds.";
    OutcomeUnknown, "outcome-unknown", SERVICE_UNAVAILABLE, "Nobody knows whether it was recorded",
        "The store's answer was lost. Repeat the request with the same `Idempotency-Key`: it is recorded once, and answered either way.";
    Archived, "archived", GONE, "The history asked for has been archived",
        "`through_version` is the last version that is no longer here. An operator can restore it.";
}

/// One failed request.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    field: Option<String>,
    members: Map<String, Value>,
    retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem and what to say of this occurrence; never anything internal.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None, members: Map::new(), retry_after_s: None }
    }

    /// Where in the body: a JSON pointer.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.field = Some(pointer.into());
        self
    }

    /// The same, for a part of the body that lies at `prefix`.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.field = Some(format!("{prefix}{}", self.field.unwrap_or_default()));
        self
    }

    /// One more member of the document.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// After how long it makes sense to try again.
    #[must_use]
    pub fn retry_after(mut self, pause: std::time::Duration) -> Self {
        self.retry_after_s = Some(pause.as_secs() + u64::from(pause.subsec_nanos() > 0));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The document, for the request of this correlation id.
    pub fn document(&self, correlation_id: &str) -> Value {
        let mut document = self.members.clone();
        document.insert("type".to_owned(), json!(format!("/problems/{}", self.kind.slug())));
        document.insert("title".to_owned(), json!(self.kind.title()));
        document.insert("status".to_owned(), json!(self.kind.status().as_u16()));
        document.insert("detail".to_owned(), json!(self.detail));
        document.insert("correlation_id".to_owned(), json!(correlation_id));
        if let Some(field) = &self.field {
            document.insert("field".to_owned(), json!(field));
        }
        Value::Object(document)
    }

    /// The answer to the request of this correlation id.
    pub fn respond(&self, correlation_id: &str) -> Response {
        let body = self.document(correlation_id).to_string();
        let mut response =
            (self.kind.status(), [(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))], body)
                .into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The page that documents them all, as Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Problems\n\nEvery error of the HTTP APIs is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, \
         `correlation_id`, and `field` (a JSON pointer) where a part of the body is to blame.\n\n\
         | type | status | title | what it means, what to do |\n| --- | --- | --- | --- |\n",
    );
    for kind in Kind::ALL {
        let (slug, status) = (kind.slug(), kind.status().as_u16());
        page.push_str(&format!("| `/problems/{slug}` | {status} | {} | {} |\n", kind.title(), kind.about()));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_where_and_which_request() {
        let problem = Problem::new(Kind::InvalidCommand, "expected an i32").at("/step").within("/commands/3");
        assert_eq!(
            problem.document("c-1"),
            json!({
                "type": "/problems/invalid-command", "title": "The JSON is not a command of this aggregate", "status": 422,
                "detail": "expected an i32", "field": "/commands/3/step", "correlation_id": "c-1",
            })
        );
    }

    #[test]
    fn a_part_of_a_second_is_rounded_up() {
        let pause = std::time::Duration::from_millis(1_001);
        let response = Problem::new(Kind::Overloaded, "").retry_after(pause).respond("c");
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn the_page_lists_them_all() {
        let committed = include_str!("../PROBLEMS.md");
        assert_eq!(committed, page(), "PROBLEMS.md is out of date; put this there:\n{}", page());
    }

    #[test]
    fn every_kind_has_a_type_of_its_own() {
        let slugs: std::collections::HashSet<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }
}
