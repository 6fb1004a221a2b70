//! Where a page ends and the next begins, as text that a client hands back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The place of the last row that was shown.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// The order in which it is a place, as it was asked for.
    #[serde(rename = "s")]
    pub(crate) sort: String,
    /// What the row has in the columns that it is sorted by.
    #[serde(rename = "p")]
    pub(crate) place: Vec<Option<String>>,
}

impl Cursor {
    pub(crate) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("texts become JSON"))
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let cursor = Cursor { sort: "-started_at".to_owned(), place: vec![None, Some("a\"/é".to_owned())] };
        assert_eq!(Cursor::read(&cursor.to_text()), Some(cursor));
        for other in ["", "x", "e30", "eyJzIjoxfQ"] {
            assert_eq!(Cursor::read(other), None, "{other}");
        }
    }
}
