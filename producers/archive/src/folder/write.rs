//! Writing a folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_avro_fast::object_container_file_encoding::{Compression, CompressionLevel, Writer, WriterBuilder};
use serde_avro_fast::ser::SerializerConfig;
use sha2::{Digest, Sha256};

use super::{EVENTS, MANIFEST, PARTIAL, SUMS, file_of};
use crate::error::{Error, OnFile};
use crate::manifest::{FileFacts, Manifest};
use crate::pieces::{Hashing, hex};
use crate::row::SCHEMA;
use crate::{EventRow, Tally};

/// Records are compressed together until they have this size.
const BLOCK_BYTES: u32 = 256 * 1024;
/// Denser levels cost more than the disk that they save.
const ZSTD_LEVEL: u8 = 3;

/// A folder that is not there yet.
#[derive(Debug)]
pub(crate) struct NewFolder {
    partial: PathBuf,
    path: PathBuf,
    files: Vec<FileFacts>,
}

impl NewFolder {
    /// Makes room for a folder of this name.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(PARTIAL);
        let partial = PathBuf::from(partial);
        if path.exists() {
            return Err(Error::Exists(path.to_owned()));
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).on("make folder", parent)?;
        }
        match fs::create_dir(&partial) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Error::Unfinished(partial))
            }
            made => {
                made.on("make folder", &partial)?;
                Ok(Self { partial, path: path.to_owned(), files: vec![] })
            }
        }
    }

    /// The file of the events.
    pub(crate) fn events(&self) -> Result<EventsWriter, Error> {
        EventsWriter::create(self.partial.join(EVENTS))
    }

    /// The file of a table's rows.
    pub(crate) fn lines(&self, table: &str) -> Result<LinesWriter, Error> {
        LinesWriter::create(self.partial.join(file_of(table)), file_of(table))
    }

    /// Takes a file in that was finished.
    pub(crate) fn add(&mut self, file: FileFacts) {
        self.files.push(file);
    }

    /// Writes the manifest and gives the folder its name; answers the manifest's digest, which stands for all of it.
    pub(crate) fn finish(mut self, mut manifest: Manifest) -> Result<String, Error> {
        manifest.files = std::mem::take(&mut self.files);
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest can be written as JSON");
        let digest = hex(&Sha256::digest(&text));
        let mut sums = format!("{digest}  {MANIFEST}\n");
        for file in &manifest.files {
            sums += &format!("{}  {}\n", file.sha256, file.name);
        }
        for (name, content) in [(MANIFEST, text.as_slice()), (SUMS, sums.as_bytes())] {
            let path = self.partial.join(name);
            let mut file = File::create_new(&path).on("make", &path)?;
            file.write_all(content).and_then(|()| file.sync_all()).on("write", &path)?;
        }
        sync_folder(&self.partial)?;
        fs::rename(&self.partial, &self.path).on("rename to", &self.path)?;
        sync_folder(
            self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        )?;
        Ok(digest)
    }
}

fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).on("flush folder", path)
}

/// Writes events.
pub(crate) struct EventsWriter {
    writer: Writer<'static, 'static, Hashing<File>>,
    path: PathBuf,
    tally: Tally,
}

impl EventsWriter {
    fn create(path: PathBuf) -> Result<Self, Error> {
        let file = File::create_new(&path).on("make", &path)?;
        let level = CompressionLevel::new(ZSTD_LEVEL);
        let writer = WriterBuilder::with_owned_config(SerializerConfig::new(&SCHEMA))
            .compression(Compression::Zstandard { level })
            .approx_block_size(BLOCK_BYTES)
            .build(Hashing::new(file))
            .map_err(std::io::Error::other)
            .on("write", &path)?;
        Ok(Self { writer, path, tally: Tally::default() })
    }

    /// The next event.
    pub(crate) fn write(&mut self, row: &EventRow) -> Result<(), Error> {
        self.tally.add(row);
        self.writer.serialize(row).map_err(std::io::Error::other).on("write", &self.path)
    }

    /// Flushes to the disk.
    pub(crate) fn finish(self) -> Result<(FileFacts, Tally), Error> {
        let hashing = self.writer.into_inner().map_err(std::io::Error::other).on("write", &self.path)?;
        let (file, facts) = hashing.finish(EVENTS);
        file.sync_all().on("flush", &self.path)?;
        Ok((facts, self.tally))
    }
}

/// Writes rows of a table, one a line.
pub(crate) struct LinesWriter {
    writer: zstd::Encoder<'static, Hashing<File>>,
    path: PathBuf,
    name: String,
    rows: u64,
}

impl LinesWriter {
    fn create(path: PathBuf, name: String) -> Result<Self, Error> {
        let file = File::create_new(&path).on("make", &path)?;
        let writer = zstd::Encoder::new(Hashing::new(file), ZSTD_LEVEL.into()).on("write", &path)?;
        Ok(Self { writer, path, name, rows: 0 })
    }

    /// The next row.
    pub(crate) fn write(&mut self, row: &str) -> Result<(), Error> {
        self.rows += 1;
        writeln!(self.writer, "{row}").on("write", &self.path)
    }

    /// Flushes to the disk; answers how many rows there are.
    pub(crate) fn finish(self) -> Result<(FileFacts, u64), Error> {
        let (file, facts) = self.writer.finish().on("write", &self.path)?.finish(&self.name);
        file.sync_all().on("flush", &self.path)?;
        Ok((facts, self.rows))
    }
}
