//! Answers: what was read, and of when it is.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::freshness::AsOf;

/// Of when the answer is, as in its body: for answers that have none.
pub(crate) const AS_OF: HeaderName = HeaderName::from_static("millrace-as-of");
/// `true` where a token was given and the answer is not that fresh.
pub(crate) const STALE: HeaderName = HeaderName::from_static("millrace-stale");

/// Something that was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) as_of: AsOf,
    /// It is not as fresh as the token that was given.
    pub(crate) stale: bool,
    /// What tells it from what else could have been answered.
    pub(crate) tag: String,
    /// The further members of its document, each JSON already.
    pub(crate) members: Vec<(&'static str, String)>,
}

impl Answer {
    /// The answer, or that nothing is new to who has this already.
    pub(crate) fn respond(self, asked: &HeaderMap) -> Response {
        let mut headers = HeaderMap::new();
        let tag = HeaderValue::try_from(&self.tag).expect("tags are visible ASCII");
        headers.insert(header::ETAG, tag);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if let Some(at) = self.as_of.as_of.as_ref().and_then(|at| HeaderValue::try_from(at).ok()) {
            headers.insert(AS_OF, at);
        }
        if self.stale {
            headers.insert(STALE, HeaderValue::from_static("true"));
        }
        if is_known(asked, &self.tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (headers, self.document()).into_response()
    }

    fn document(&self) -> String {
        let Value::Object(mut document) = json!(self.as_of) else { unreachable!("it is a struct") };
        document.insert("stale".to_owned(), self.stale.into());
        let mut text = Value::Object(document).to_string();
        text.pop();
        for (name, json) in &self.members {
            text.push_str(&format!(",\"{name}\":{json}"));
        }
        text.push('}');
        text
    }
}

/// A tag of what was read, whatever it is.
pub(crate) fn digest_tag(read: &str) -> String {
    let digest: String = Sha256::digest(read).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digest}\"")
}

/// Whether who asks has it already. Weak and strong tags of one text are the same to them (RFC 9110, 13.1.2).
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|tags| tags.split(',')).any(|known| known.trim() == "*" || bare(known) == bare(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_by_its_tag() {
        let asked = |tag: &'static str| {
            HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(tag))])
        };
        for known in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            assert!(is_known(&asked(known), "\"7\""), "{known}");
        }
        for other in ["\"6\"", "7", "\"77\""] {
            assert!(!is_known(&asked(other), "\"7\""), "{other}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"7\""));
    }
}
