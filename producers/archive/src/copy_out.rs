//! Rows as Postgres copies them out in its binary format; the fastest way to read a table, and exact to the bit.
//!
//! Format: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use events::{AggregateId, EventId};
use uuid::Uuid;

use crate::EventRow;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Microseconds from 1970, where Unix counts from, to 2000, where Postgres does.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Puts rows together from pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct CopyOut {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    read: usize,
    begun: bool,
    ended: bool,
}

/// The stream is not what Postgres writes.
pub(crate) type Malformed = String;

impl CopyOut {
    /// Takes what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The fields of the next row; none before all of it came.
    pub(crate) fn next_row(&mut self) -> Result<Option<Fields<'_>>, Malformed> {
        if !self.begun && !self.header()? {
            return Ok(None);
        }
        let rest = &self.buffer[self.read..];
        let Some(count) = rest.first_chunk().map(|bytes| i16::from_be_bytes(*bytes)) else { return Ok(None) };
        if count < 0 {
            self.ended = true;
            return Ok(None);
        }
        let mut at = 2;
        for _ in 0..count {
            let Some(length) = rest.get(at..at + 4) else { return Ok(None) };
            let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
            at += 4 + usize::try_from(length).unwrap_or(0); // -1: null
            if rest.len() < at {
                return Ok(None);
            }
        }
        let row = self.read + 2..self.read + at;
        self.read = row.end;
        Ok(Some(Fields { rest: &self.buffer[row], left: count }))
    }

    /// Whether the last row came.
    pub(crate) fn finish(&self) -> Result<(), Malformed> {
        if self.ended { Ok(()) } else { Err("it ends in the middle".into()) }
    }

    /// Signature, flags, and an extension of any length.
    fn header(&mut self) -> Result<bool, Malformed> {
        let Some(fixed) = self.buffer.get(..19) else { return Ok(false) };
        if !fixed.starts_with(SIGNATURE) {
            return Err("it does not begin as a binary copy".into());
        }
        let extension = u32::from_be_bytes(fixed[15..].try_into().expect("four bytes")) as usize;
        if self.buffer.len() < 19 + extension {
            return Ok(false);
        }
        self.read = 19 + extension;
        self.begun = true;
        Ok(true)
    }
}

/// The fields of one row, from left to right.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    left: i16,
}

impl<'a> Fields<'a> {
    /// The next field, which must not be null.
    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        if self.left == 0 {
            return Err("a row has too few fields".into());
        }
        self.left -= 1;
        let (length, rest) = self.rest.split_at(4);
        let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
        let length = usize::try_from(length).map_err(|_| "a field is null")?;
        let (field, rest) = rest.split_at(length);
        self.rest = rest;
        Ok(field)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let field = self.bytes()?;
        field.try_into().map_err(|_| format!("a field has {} bytes, not {N}", field.len()))
    }

    fn long(&mut self) -> Result<i64, Malformed> {
        self.fixed().map(i64::from_be_bytes)
    }

    fn uuid(&mut self) -> Result<Uuid, Malformed> {
        self.fixed().map(Uuid::from_bytes)
    }

    fn micros(&mut self) -> Result<i64, Malformed> {
        let micros = self.long()?;
        micros.checked_add(POSTGRES_EPOCH_MICROS).ok_or_else(|| "a time is infinite".into())
    }

    /// The next field as text.
    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| "a text is no UTF-8".into())
    }
}

impl EventRow {
    /// Reads the columns in the order of `queries/event_store_columns.sql`.
    pub(crate) fn from_fields(mut fields: Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            position: fields.long()?,
            tenant_id: fields.text()?,
            aggregate_id: AggregateId(fields.uuid()?),
            aggregate_type: fields.text()?,
            version: fields.long()?,
            event_id: EventId(fields.uuid()?),
            event_type: fields.text()?,
            payload: fields.bytes()?.to_vec(),
            event_data: fields.text()?,
            metadata: fields.text()?,
            occurred_at: fields.micros()?,
            recorded_at: fields.micros()?,
            transaction_id: fields.long()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(rows: &[&[&str]]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for row in rows {
            bytes.extend((row.len() as i16).to_be_bytes());
            for field in *row {
                bytes.extend((field.len() as i32).to_be_bytes());
                bytes.extend(field.as_bytes());
            }
        }
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    fn texts(bytes: &[u8], piece: usize) -> Result<Vec<String>, Malformed> {
        let (mut copy, mut texts) = (CopyOut::default(), vec![]);
        for piece in bytes.chunks(piece) {
            copy.push(piece);
            while let Some(mut fields) = copy.next_row()? {
                texts.push(fields.text()? + "/" + &fields.text()?);
            }
        }
        copy.finish().map(|()| texts)
    }

    #[test]
    fn rows_are_the_same_however_they_come() {
        let bytes = stream(&[&["a", ""], &["", "bc"]]);
        for piece in [1, 3, 1000] {
            assert_eq!(texts(&bytes, piece), Ok(vec!["a/".into(), "/bc".into()]), "{piece}");
        }
    }

    #[test]
    fn a_stream_that_is_cut_or_foreign_is_refused() {
        let bytes = stream(&[&["a", "b"]]);
        for cut in 0..bytes.len() - 1 {
            assert!(texts(&bytes[..cut], 1000).is_err(), "cut at {cut}");
        }
        assert!(texts(b"a line of text, longer than a header", 1000).is_err());
        assert!(texts(&stream(&[&["a"]]), 1000).is_err());
    }
}
