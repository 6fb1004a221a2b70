//! Files that are judged piece by piece: a byte is handed out only after its mebibyte was found to be as written.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::manifest::FileFacts;

/// How much is judged, and held in memory, at a time.
const PIECE_BYTES: usize = 1024 * 1024;

/// Writes, and remembers what was written.
pub(crate) struct Hashing<W> {
    inner: W,
    whole: Sha256,
    piece: Sha256,
    in_piece: usize,
    bytes: u64,
    pieces: Vec<String>,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        let (whole, piece) = (Sha256::new(), Sha256::new());
        Self { inner, whole, piece, in_piece: 0, bytes: 0, pieces: vec![] }
    }

    /// The writer, and what it took.
    pub(crate) fn finish(mut self, name: &str) -> (W, FileFacts) {
        if self.in_piece > 0 {
            self.pieces.push(hex(&self.piece.finalize()));
        }
        let facts = FileFacts {
            name: name.to_owned(),
            bytes: self.bytes,
            sha256: hex(&self.whole.finalize()),
            pieces: self.pieces,
        };
        (self.inner, facts)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(&bytes[..bytes.len().min(PIECE_BYTES - self.in_piece)])?;
        self.whole.update(&bytes[..taken]);
        self.piece.update(&bytes[..taken]);
        self.bytes += taken as u64;
        self.in_piece += taken;
        if self.in_piece == PIECE_BYTES {
            self.pieces.push(hex(&self.piece.finalize_reset()));
            self.in_piece = 0;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A piece is not as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("it ends after {found} bytes, {expected} were written")]
    Short { found: u64, expected: u64 },
    #[error("it goes on after the {expected} bytes that were written")]
    Long { expected: u64 },
    #[error("bytes {from} to {to} are not those that were written")]
    Changed { from: u64, to: u64 },
    #[error("the manifest does not say what all of it should be")]
    Unknown,
}

/// Reads what [`Hashing`] wrote.
pub(crate) struct Checked<R> {
    inner: R,
    bytes: u64,
    pieces: std::vec::IntoIter<String>,
    read: u64,
    piece: Vec<u8>,
    consumed: usize,
}

impl<R: Read> Checked<R> {
    pub(crate) fn new(inner: R, facts: &FileFacts) -> Self {
        let pieces = facts.pieces.clone().into_iter();
        Self { inner, bytes: facts.bytes, pieces, read: 0, piece: vec![], consumed: 0 }
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let damaged = |damage| Err(io::Error::new(io::ErrorKind::InvalidData, damage));
        self.piece.clear();
        self.consumed = 0;
        let from = self.read;
        let wanted = (self.bytes - from).min(PIECE_BYTES as u64);
        // One byte more than the file should have tells that it goes on.
        let limit = if wanted < PIECE_BYTES as u64 { wanted + 1 } else { wanted };
        let found = (&mut self.inner).take(limit).read_to_end(&mut self.piece)? as u64;
        if found < wanted {
            return damaged(Damage::Short { found: from + found, expected: self.bytes });
        }
        if found > wanted {
            return damaged(Damage::Long { expected: self.bytes });
        }
        if wanted == 0 {
            return Ok(());
        }
        match self.pieces.next() {
            None => damaged(Damage::Unknown),
            Some(piece) if piece != hex(&Sha256::digest(&self.piece)) => {
                damaged(Damage::Changed { from, to: from + found })
            }
            Some(_) => {
                self.read += found;
                Ok(())
            }
        }
    }
}

impl<R: Read> BufRead for Checked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.piece.len() {
            self.next_piece()?;
        }
        Ok(&self.piece[self.consumed..])
    }

    fn consume(&mut self, bytes: usize) {
        self.consumed += bytes;
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(into.len());
        into[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

/// The error of a file that could not be read, with the damage that was found, if it was that.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> crate::Error {
    crate::Error::Damaged { path: path.to_owned(), reason: error.to_string() }
}

/// As `sha256sum` prints it.
pub(crate) fn hex(digest: &[u8]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> (Vec<u8>, FileFacts) {
        let mut hashing = Hashing::new(vec![]);
        hashing.write_all(bytes).unwrap();
        hashing.finish("a-file")
    }

    fn read(bytes: &[u8], facts: &FileFacts) -> Result<Vec<u8>, Damage> {
        let mut found = vec![];
        match Checked::new(bytes, facts).read_to_end(&mut found) {
            Ok(_) => Ok(found),
            Err(error) => Err(error.get_ref().unwrap().downcast_ref::<Damage>().unwrap().clone()),
        }
    }

    #[test]
    fn what_was_written_is_read_whatever_its_length() {
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let (file, facts) = written(&bytes);
            assert_eq!((facts.bytes, facts.pieces.len()), (length as u64, length.div_ceil(PIECE_BYTES)));
            assert_eq!(read(&file, &facts), Ok(bytes), "{length}");
        }
    }

    #[test]
    fn a_changed_bit_is_placed_and_nothing_of_its_piece_is_handed_out() {
        let (mut file, facts) = written(&vec![7; 2 * PIECE_BYTES + 10]);
        file[PIECE_BYTES + 5] ^= 1;
        let (from, to) = (PIECE_BYTES as u64, 2 * PIECE_BYTES as u64);
        assert_eq!(read(&file, &facts), Err(Damage::Changed { from, to }));
        let mut checked = Checked::new(file.as_slice(), &facts);
        let mut found = vec![];
        checked.read_to_end(&mut found).unwrap_err();
        assert_eq!(found.len(), PIECE_BYTES);
    }

    #[test]
    fn a_file_that_was_cut_or_went_on_is_refused() {
        for length in [10, PIECE_BYTES, 2 * PIECE_BYTES + 1] {
            let (mut file, facts) = written(&vec![7; length]);
            let expected = length as u64;
            for cut in [0, 1, length - 1] {
                let damage = Damage::Short { found: cut as u64, expected };
                assert_eq!(read(&file[..cut], &facts), Err(damage), "{cut} of {length}");
            }
            file.push(7);
            assert_eq!(read(&file, &facts), Err(Damage::Long { expected }));
        }
    }
}
