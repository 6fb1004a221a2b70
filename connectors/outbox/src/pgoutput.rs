//! Messages of Postgres' plugin pgoutput, version 1 of its protocol: as much as tells the outbox's rows.

use std::collections::HashMap;

/// What one message says, of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// A row came.
    Insert(Row),
    /// Something else happened within a transaction.
    Other,
    /// A transaction ended.
    Commit,
}

/// A row by column; text as Postgres prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    texts: HashMap<String, String>,
    lengths: HashMap<String, usize>,
}

impl Row {
    pub(crate) fn text(&self, column: &str) -> Option<&str> {
        self.texts.get(column).map(String::as_str)
    }

    /// Bytes of a column of type bytea; `None`: it is null.
    pub(crate) fn bytes(&self, column: &str) -> Option<usize> {
        let printed = self.lengths.get(column)?;
        Some(printed.saturating_sub(2) / 2) // \x and two digits each
    }
}

/// Reads messages one after the other; a relation is described once, before its first row.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The columns of each relation by its number.
    outbox: HashMap<u32, Vec<String>>,
}

impl Reader {
    /// `None`: a message that tells nothing here. What is cut off at the end is taken as far as it goes.
    pub(crate) fn read(&mut self, message: &[u8]) -> Option<Message> {
        let mut bytes = Bytes(message);
        match bytes.byte()? {
            b'C' => Some(Message::Commit),
            b'R' => {
                let (relation, is_outbox, columns) = relation(&mut bytes)?;
                if is_outbox {
                    self.outbox.insert(relation, columns);
                }
                None
            }
            b'I' => match self.outbox.get(&bytes.number()?) {
                Some(columns) => Some(Message::Insert(row(&mut bytes, columns))),
                None => Some(Message::Other),
            },
            b'U' | b'D' | b'T' => Some(Message::Other),
            _ => None,
        }
    }
}

fn relation(bytes: &mut Bytes<'_>) -> Option<(u32, bool, Vec<String>)> {
    let relation = bytes.number()?;
    let is_outbox = bytes.word()? == "public" && bytes.word()? == "outbox";
    if !is_outbox {
        return Some((relation, false, vec![]));
    }
    bytes.byte()?; // the replica identity
    let columns = bytes.short()?;
    let column = |bytes: &mut Bytes<'_>| {
        bytes.byte()?; // flags
        let name = bytes.word()?;
        bytes.take(8)?; // type and its modifier
        Some(name)
    };
    Some((relation, true, (0..columns).map_while(|_| column(bytes)).collect()))
}

fn row(bytes: &mut Bytes<'_>, columns: &[String]) -> Row {
    let mut row = Row::default();
    // 'N' and the number of columns, which the relation has told.
    if bytes.take(3).is_none() {
        return row;
    }
    for column in columns {
        match bytes.byte() {
            Some(b't') => {
                let Some(length) = bytes.number().map(|length| length as usize) else { break };
                row.lengths.insert(column.clone(), length);
                let Some(text) = bytes.take(length) else { break };
                row.texts.insert(column.clone(), String::from_utf8_lossy(text).into_owned());
            }
            Some(b'n' | b'u') => {}
            _ => break,
        }
    }
    row
}

/// What is left of a message.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(length)?;
        self.0 = left;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A text that ends with a zero byte.
    fn word(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let word = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.byte()?;
        Some(word)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn relation(number: u32, name: &str, columns: &[&str]) -> Vec<u8> {
        let mut message =
            [b"R".as_slice(), &number.to_be_bytes(), b"public\0", name.as_bytes(), b"\0d"].concat();
        message.extend(u16::try_from(columns.len()).unwrap().to_be_bytes());
        for column in columns {
            message.extend([b"\0".as_slice(), column.as_bytes(), b"\0", &[0; 8]].concat());
        }
        message
    }

    pub(crate) fn insert(number: u32, values: &[Option<&str>]) -> Vec<u8> {
        let mut message = [b"I".as_slice(), &number.to_be_bytes(), b"N"].concat();
        message.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
        for value in values {
            match value {
                None => message.push(b'n'),
                Some(text) => {
                    message.push(b't');
                    message.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                    message.extend(text.as_bytes());
                }
            }
        }
        message
    }

    fn read(reader: &mut Reader, message: &[u8]) -> Row {
        match reader.read(message) {
            Some(Message::Insert(row)) => row,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_of_the_outbox_is_told_by_its_columns_and_other_tables_are_not() {
        let mut reader = Reader::default();
        assert_eq!(reader.read(&relation(1, "outbox", &["id", "tenant_id", "payload"])), None);
        assert_eq!(reader.read(&relation(2, "cdc_heartbeat", &["id"])), None);
        let row = read(&mut reader, &insert(1, &[Some("e"), None, Some("\\x0102")]));
        assert_eq!((row.text("id"), row.text("tenant_id"), row.bytes("payload")), (Some("e"), None, Some(2)));
        let row = read(&mut reader, &insert(1, &[Some("e"), None, None]));
        assert_eq!(row.bytes("payload"), None);
        assert_eq!(reader.read(&insert(2, &[Some("1")])), Some(Message::Other));
        assert_eq!(reader.read(b"B"), None);
        assert_eq!(reader.read(b"C"), Some(Message::Commit));
    }

    #[test]
    fn a_message_that_is_cut_off_tells_what_is_left_of_it_and_how_long_it_was() {
        let mut reader = Reader::default();
        reader.read(&relation(1, "outbox", &["id", "payload"]));
        let whole = insert(1, &[Some("e"), Some("\\x01020304")]);
        let row = read(&mut reader, &whole[..whole.len() - 3]);
        assert_eq!((row.text("id"), row.text("payload"), row.bytes("payload")), (Some("e"), None, Some(4)));
        for length in 0..whole.len() {
            reader.read(&whole[..length]);
        }
    }
}
