//! Where rows come from.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use mapping::{Mapping, Raw, Refused, Source};
use serde::Serialize;

use crate::Error;
use crate::postgres::Cursor;

/// Where the rows of a run are.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A file, plain or gzip.
    File(PathBuf),
    /// A database; the query is the mapping's.
    Database(String),
}

/// Where one row is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, or what stands for the query.
    pub source: String,
    /// Its line, or its place in the query's answer, from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {}", self.source, self.line)
    }
}

impl Origin {
    /// What a person calls it; no password.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Database(_) => "query".to_owned(),
        }
    }
}

/// The rows of a source, one after another; never more than a few in memory.
#[derive(Debug)]
pub struct Rows {
    name: String,
    line: u64,
    kind: Kind,
}

enum Kind {
    JsonLines(Box<dyn BufRead + Send>),
    Csv { reader: csv::Reader<Box<dyn BufRead + Send>>, header: csv::StringRecord },
    Postgres(Cursor),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonLines(_) => "JsonLines",
            Self::Csv { .. } => "Csv",
            Self::Postgres(_) => "Postgres",
        })
    }
}

impl Rows {
    /// Opens a source.
    ///
    /// # Errors
    /// When it cannot be opened, or is of another kind than the mapping says, or its columns have other names.
    pub async fn open(mapping: &Mapping, origin: &Origin) -> Result<Self, Error> {
        let kind = match (&mapping.source, origin) {
            (Source::JsonLines, Origin::File(path)) => Kind::JsonLines(file(path)?),
            (Source::Csv { delimiter }, Origin::File(path)) => csv(mapping, *delimiter, path)?,
            (Source::Postgres { query }, Origin::Database(url)) => {
                Kind::Postgres(Cursor::open(url, query).await?)
            }
            (Source::Postgres { .. }, Origin::File(_)) => return Err(Error::WantsDatabase),
            (Source::JsonLines | Source::Csv { .. }, Origin::Database(_)) => return Err(Error::WantsFile),
        };
        Ok(Self { name: origin.name(), line: 0, kind })
    }

    /// How many rows there are, or lines of a file where rows are not counted without being read.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub async fn expected(mapping: &Mapping, origin: &Origin) -> Result<u64, Error> {
        match (&mapping.source, origin) {
            (Source::Postgres { query }, Origin::Database(url)) => crate::postgres::count(url, query).await,
            (_, Origin::Database(_)) => Err(Error::WantsFile),
            (_, Origin::File(path)) => {
                let (mut reader, mut lines) = (file(path)?, 0);
                loop {
                    let read = |source| Error::Open { path: path.clone(), source };
                    let (newlines, bytes) = {
                        let some = reader.fill_buf().map_err(read)?;
                        (some.iter().filter(|byte| **byte == b'\n').count(), some.len())
                    };
                    if bytes == 0 {
                        return Ok(lines);
                    }
                    lines += newlines as u64;
                    reader.consume(bytes);
                }
            }
        }
    }

    /// The next row, or why it cannot be read; `None` after the last.
    ///
    /// # Errors
    /// When the source as a whole fails, which no row is to blame for.
    pub async fn next(&mut self) -> Result<Option<(Place, Result<Raw, Refused>)>, Error> {
        let name = self.name.clone();
        let (line, row) = match &mut self.kind {
            Kind::JsonLines(reader) => {
                let mut text = Vec::new();
                let line = self.line + 1;
                match reader.read_until(b'\n', &mut text) {
                    Ok(0) => return Ok(None),
                    Ok(_) => {}
                    Err(source) => return Err(Error::Read { name, line, source }),
                }
                let row = match str::from_utf8(text.trim_ascii_end()) {
                    Ok(text) => Raw::from_json(text),
                    Err(_) => Err(whole("the line is no UTF-8")),
                };
                (line, row)
            }
            Kind::Csv { reader, header } => {
                let mut record = csv::ByteRecord::new();
                let read = reader.read_byte_record(&mut record);
                let line = record.position().map_or(self.line + 1, csv::Position::line);
                match read {
                    Ok(false) => return Ok(None),
                    Ok(true) => (line, named(header, &record)),
                    Err(error) => {
                        return Err(Error::Read { name, line, source: std::io::Error::other(error) });
                    }
                }
            }
            Kind::Postgres(cursor) => match cursor.next().await? {
                Some(text) => (self.line + 1, Raw::from_json(&text)),
                None => return Ok(None),
            },
        };
        self.line = line;
        Ok(Some((Place { source: name, line }, row)))
    }
}

fn whole(reason: impl Into<String>) -> Refused {
    Refused { field: ".".to_owned(), reason: reason.into() }
}

/// A file's contents; gzip is recognised by its first bytes.
fn file(path: &Path) -> Result<Box<dyn BufRead + Send>, Error> {
    let failed = |source| Error::Open { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let gzip = file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// The header must name what the mapping declares, in any order.
fn csv(mapping: &Mapping, delimiter: u8, path: &Path) -> Result<Kind, Error> {
    let mut contents = file(path)?;
    let failed = |source| Error::Open { path: path.to_owned(), source };
    // Spreadsheets put a byte order mark first.
    if contents.fill_buf().map_err(failed)?.starts_with(b"\xef\xbb\xbf") {
        contents.read_exact(&mut [0; 3]).map_err(failed)?;
    }
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(contents);
    let header = reader.headers().map_err(|error| failed(std::io::Error::other(error)))?.clone();
    let declared: Vec<&str> = mapping.columns().collect();
    let unknown =
        header.iter().filter(|name| !declared.contains(name)).map(|name| format!("{name:?} is not declared"));
    let twice = header
        .iter()
        .enumerate()
        .filter(|(place, name)| header.iter().take(*place).any(|other| other == *name));
    let missing = declared.iter().filter(|name| !header.iter().any(|other| other == **name));
    let problems: Vec<String> = unknown
        .chain(twice.map(|(_, name)| format!("{name:?} is there twice")))
        .chain(missing.map(|name| format!("{name:?} is missing")))
        .collect();
    if !problems.is_empty() && !header.is_empty() {
        return Err(Error::Header { path: path.to_owned(), problems: problems.join(", ") });
    }
    Ok(Kind::Csv { reader, header })
}

fn named(header: &csv::StringRecord, record: &csv::ByteRecord) -> Result<Raw, Refused> {
    if record.len() != header.len() {
        return Err(whole(format!("has {} fields, the header names {}", record.len(), header.len())));
    }
    let texts = header.iter().zip(record).map(|(name, bytes)| match str::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(_) => Err(Refused { field: name.to_owned(), reason: "is no UTF-8".to_owned() }),
    });
    Ok(Raw::from_texts(texts.collect::<Result<Vec<_>, _>>()?))
}
