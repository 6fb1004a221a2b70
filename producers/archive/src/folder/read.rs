//! Reading a folder, and judging it.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_avro_fast::de::read::ReaderRead;
use serde_avro_fast::object_container_file_encoding::Reader;
use sha2::{Digest, Sha256};

use super::{EVENTS, MANIFEST, SUMS, file_of};
use crate::error::{Error, OnFile};
use crate::manifest::{FORMAT, FileFacts, Kind, Manifest};
use crate::pieces::{Checked, hex, unreadable};
use crate::{EventRow, Tally};

/// A folder whose manifest is as it was written. Its files are judged as they are read.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// What it says about its files.
    pub manifest: Manifest,
    /// The manifest's digest, which stands for the whole folder.
    pub digest: String,
}

impl Folder {
    /// Reads the manifest.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let foreign = |reason: String| Error::NotAFolder { path: path.to_owned(), reason };
        let read = |name: &str| {
            let file = path.join(name);
            fs::read(&file).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => foreign(format!("there is no {name}")),
                _ => Error::Files { what: "read", path: file, source: error },
            })
        };
        let (text, sums) = (read(MANIFEST)?, String::from_utf8_lossy(&read(SUMS)?).into_owned());
        let digest = hex(&Sha256::digest(&text));
        let vouched = sums.lines().find_map(|line| line.strip_suffix(MANIFEST).map(str::trim));
        if vouched != Some(digest.as_str()) {
            let reason =
                format!("its SHA-256 is {digest}, {SUMS} says {}", vouched.unwrap_or("nothing of it"));
            return Err(Error::Damaged { path: path.join(MANIFEST), reason });
        }
        let format: Format =
            serde_json::from_slice(&text).map_err(|e| foreign(format!("{MANIFEST} is unreadable: {e}")))?;
        if format.format != FORMAT {
            return Err(foreign(format!("it has format {}, this program reads {FORMAT}", format.format)));
        }
        let manifest =
            serde_json::from_slice(&text).map_err(|e| foreign(format!("{MANIFEST} is unreadable: {e}")))?;
        Ok(Self { path: path.to_owned(), manifest, digest })
    }

    /// The same, of the kind that is needed.
    pub fn open_as(path: &Path, expected: Kind) -> Result<Self, Error> {
        let folder = Self::open(path)?;
        if folder.manifest.kind != expected {
            let (found, expected) = (folder.manifest.kind.words(), expected.words());
            return Err(Error::OtherKind { path: path.to_owned(), found, expected });
        }
        Ok(folder)
    }

    /// The name of the folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// The events, in the order of their positions.
    pub fn events(&self) -> Result<Events, Error> {
        let (path, checked) = self.file(EVENTS)?;
        let reader = Reader::from_reader(checked)
            .map_err(|error| Error::Damaged { path: path.clone(), reason: error.to_string() })?;
        Ok(Events { reader, path, read: 0, ended: false })
    }

    /// The rows of a table, as JSON.
    pub fn lines(&self, table: &str) -> Result<Lines, Error> {
        let (path, checked) = self.file(&file_of(table))?;
        let decoder = zstd::Decoder::with_buffer(checked).map_err(|e| unreadable(&path, &e))?;
        Ok(Lines { lines: BufReader::new(decoder).lines(), path })
    }

    /// Reads everything and compares it with the manifest; `seen` is told how many events were read.
    pub fn verify(&self, mut seen: impl FnMut(u64)) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        for row in self.events()? {
            tally.add(&row?);
            seen(tally.events);
        }
        self.compare(&tally, &self.path.join(EVENTS).display().to_string())?;
        for table in &self.manifest.tables {
            let mut rows = 0;
            for line in self.lines(&table.name)? {
                line?;
                rows += 1;
            }
            if rows != table.rows {
                let reason = format!("it has {rows} rows, the manifest says {}", table.rows);
                return Err(Error::Damaged { path: self.path.join(file_of(&table.name)), reason });
            }
        }
        Ok(tally)
    }

    /// Compares what was counted elsewhere with what the manifest says.
    pub fn compare(&self, found: &Tally, place: &str) -> Result<(), Error> {
        let Manifest { events, digest, streams, positions, .. } = &self.manifest;
        let difference = if found.events != *events {
            format!("it has {} events, not {events}", found.events)
        } else if let Some((found, said)) = found.streams().iter().zip(streams).find(|(a, b)| a != b) {
            format!(
                "aggregate {} has versions {} to {} (digest {}), where versions {} to {} of {} (digest {}) should be",
                found.aggregate_id,
                found.from_version,
                found.to_version,
                found.digest,
                said.from_version,
                said.to_version,
                said.aggregate_id,
                said.digest
            )
        } else if (found.sum, found.positions, found.streams().len()) != (*digest, *positions, streams.len())
        {
            format!("its digest is {}, not {digest}", found.sum)
        } else {
            return Ok(());
        };
        let other = format!("the manifest of {}", self.path.display());
        Err(Error::Differs { place: place.to_owned(), other, difference })
    }

    fn file(&self, name: &str) -> Result<(PathBuf, Checked<File>), Error> {
        let path = self.path.join(name);
        let facts: Option<&FileFacts> = self.manifest.files.iter().find(|file| file.name == name);
        let facts = facts.ok_or_else(|| Error::NotAFolder {
            path: self.path.clone(),
            reason: format!("its manifest does not name {name}"),
        })?;
        let file = File::open(&path).on("open", &path)?;
        Ok((path, Checked::new(file, facts)))
    }
}

/// All that every format has.
#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}

/// The events of a folder.
pub struct Events {
    reader: Reader<ReaderRead<Checked<File>>>,
    path: PathBuf,
    read: u64,
    ended: bool,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("path", &self.path).field("read", &self.read).finish_non_exhaustive()
    }
}

impl Iterator for Events {
    type Item = Result<EventRow, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.reader.deserialize_next::<EventRow>() {
            Ok(Some(row)) => {
                self.read += 1;
                Some(Ok(row))
            }
            Ok(None) => None,
            Err(error) => {
                self.ended = true;
                let reason = match error.io_error() {
                    Some(error) => error.to_string(),
                    None => format!("event {} of it is unreadable: {error}", self.read + 1),
                };
                Some(Err(Error::Damaged { path: self.path.clone(), reason }))
            }
        }
    }
}

/// The rows of a table.
pub struct Lines {
    lines: std::io::Lines<BufReader<zstd::Decoder<'static, Checked<File>>>>,
    path: PathBuf,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Iterator for Lines {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.lines.next()?.map_err(|error| unreadable(&self.path, &error)))
    }
}
