//! The row that a connector comes to next: the first in the log that it has not delivered.

use std::fmt;

use serde::Serialize;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::error::{Doing, Error};
use crate::pgoutput::{self, Message, Reader};

/// How far a connector has delivered, as Debezium remembers it. Positions within transactions do not follow the order in
/// which these end, so it takes two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The end of the last transaction that was delivered whole.
    pub commit: u64,
    /// The last row that was delivered of the transaction behind that; `None`: none of it.
    pub row: Option<u64>,
}

/// A row of the outbox as the log tells it. A row that somebody forced in may lack anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Where it is in the log.
    pub lsn: String,
    /// The same as a number: bytes since the log began.
    #[serde(skip)]
    pub bytes: u64,
    /// The event's id.
    pub event_id: Option<Uuid>,
    /// What it would be routed by.
    pub aggregate_type: Option<String>,
    /// Its key.
    pub aggregate_id: Option<String>,
    /// The type of event.
    pub event_type: Option<String>,
    /// The version of the aggregate.
    pub aggregate_version: Option<String>,
    /// Whose it is.
    pub tenant: Option<String>,
    /// How large its payload is; `None`: it has none.
    pub payload_bytes: Option<usize>,
}

/// Messages that are looked at first; where none is a row, ten times as many.
const MESSAGES: i32 = 1_000;

/// The first row that a slot would send behind a place; `None`: none is committed. Needs a connection as `cdc`, and
/// nobody may be reading from the slot.
pub async fn waiting(
    cdc: &mut PgConnection,
    slot: &str,
    publication: &str,
    place: Place,
) -> Result<Option<Waiting>, Error> {
    let mut at_most = MESSAGES;
    loop {
        let messages = sqlx::query(include_str!("../queries/log_peek.sql"))
            .bind(slot)
            .bind(at_most)
            .bind(publication)
            .fetch_all(&mut *cdc)
            .await
            .doing(format!("look into the log of replication slot {slot}"))?;
        let told = messages.iter().map(|message| Told {
            lsn: message.get("lsn"),
            bytes: message.get::<i64, _>("bytes").unsigned_abs(),
            message: message.get("message"),
        });
        let found = first(told, place);
        let is_all = messages.len() < usize::try_from(at_most).unwrap_or(usize::MAX);
        if found.is_some() || is_all {
            return Ok(found);
        }
        at_most = at_most.saturating_mul(10);
    }
}

/// A message, and where it is in the log.
struct Told<'a> {
    lsn: &'a str,
    bytes: u64,
    message: &'a [u8],
}

/// Transactions come in the order in which they end; what is delivered of one is known when its end comes.
fn first<'a>(messages: impl Iterator<Item = Told<'a>>, place: Place) -> Option<Waiting> {
    let (mut reader, mut first) = (Reader::default(), None);
    for Told { lsn, bytes, message } in messages {
        match reader.read(message) {
            Some(Message::Commit) => {
                let waiting = first.take();
                if bytes > place.commit && waiting.is_some() {
                    return waiting;
                }
            }
            // Everything up to here is delivered.
            Some(_) if place.row == Some(bytes) => first = None,
            Some(Message::Insert(row)) => first = first.or_else(|| Some(Waiting::of(lsn, bytes, &row))),
            _ => {}
        }
    }
    None
}

impl Waiting {
    fn of(lsn: &str, bytes: u64, row: &pgoutput::Row) -> Self {
        let text = |column: &str| row.text(column).map(str::to_owned);
        Self {
            lsn: lsn.to_owned(),
            bytes,
            event_id: row.text("id").and_then(|id| id.parse().ok()),
            aggregate_type: text("aggregate_type"),
            aggregate_id: text("aggregate_id"),
            event_type: text("event_type"),
            aggregate_version: text("aggregate_version"),
            tenant: text("tenant_id"),
            payload_bytes: row.bytes("payload"),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_null =
            |text: &Option<String>| text.as_ref().map_or("null".to_owned(), |text| format!("{text:?}"));
        match self.event_id {
            Some(event) => write!(f, "event {event}")?,
            None => f.write_str("a row without an id")?,
        }
        write!(
            f,
            " at {} of the log (aggregate type {}, aggregate {}, event type {}, version {}, tenant {}, ",
            self.lsn,
            or_null(&self.aggregate_type),
            or_null(&self.aggregate_id),
            or_null(&self.event_type),
            or_null(&self.aggregate_version),
            or_null(&self.tenant),
        )?;
        match self.payload_bytes {
            Some(bytes) => write!(f, "payload of {bytes} bytes)"),
            None => f.write_str("no payload)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgoutput::tests::{insert, relation};

    /// Two transactions, of two rows and of one, that end at 30 and 50, and a heartbeat between them.
    fn log() -> Vec<(u64, Vec<u8>)> {
        let row = |id: &str| insert(1, &[Some(id), Some("\\x00")]);
        vec![
            (10, b"B".to_vec()),
            (10, relation(1, "outbox", &["aggregate_id", "payload"])),
            (10, row("first")),
            (20, row("second")),
            (30, b"C".to_vec()),
            (30, b"B".to_vec()),
            (30, b"U".to_vec()),
            (40, b"C".to_vec()),
            (40, b"B".to_vec()),
            (40, row("third")),
            (50, b"C".to_vec()),
        ]
    }

    fn behind(commit: u64, row: Option<u64>) -> Option<String> {
        let log = log();
        let told = log.iter().map(|(bytes, message)| Told { lsn: "", bytes: *bytes, message });
        first(told, Place { commit, row }).and_then(|waiting| waiting.aggregate_id)
    }

    #[test]
    fn the_first_row_that_was_not_delivered_is_the_one_that_waits() {
        for (commit, row, wanted) in [
            (0, None, Some("first")),
            (9, Some(10), Some("second")),
            (9, Some(20), Some("third")),
            (30, None, Some("third")),
            (40, None, Some("third")),
            (40, Some(30), Some("third")),
            (40, Some(40), None),
            (50, None, None),
        ] {
            assert_eq!(behind(commit, row).as_deref(), wanted, "behind {commit}, {row:?}");
        }
    }

    #[test]
    fn a_transaction_whose_end_is_not_in_the_log_has_not_come_yet() {
        let log = log();
        let told = log[..4].iter().map(|(bytes, message)| Told { lsn: "", bytes: *bytes, message });
        assert_eq!(first(told, Place::default()), None);
    }

    #[test]
    fn a_row_is_told_with_what_it_lacks() {
        let row = Waiting {
            lsn: "0/2741F88".into(),
            bytes: 41_164_680,
            event_id: None,
            aggregate_type: Some("execution".into()),
            aggregate_id: None,
            event_type: None,
            aggregate_version: Some("1".into()),
            tenant: None,
            payload_bytes: None,
        };
        assert_eq!(
            row.to_string(),
            "a row without an id at 0/2741F88 of the log (aggregate type \"execution\", aggregate null, event type null, \
             version \"1\", tenant null, no payload)"
        );
    }
}
