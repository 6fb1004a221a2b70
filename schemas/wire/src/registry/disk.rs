//! What the registry once said, on disk: for a start while it is away. An id stands for one schema for ever, so nothing here
//! grows old; it is asked only when the registry does not answer.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::fs;

/// One registry's answers, in a folder of their own: another registry gives other ids.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// The folder for a registry's answers, made if need be.
    pub(super) fn open(folder: &Path, url: &str) -> std::io::Result<Self> {
        let folder = folder.join(&digest(url.as_bytes())[..16]);
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    pub(super) async fn schema(&self, id: u32) -> Option<String> {
        fs::read_to_string(self.folder.join(format!("{id}.avsc"))).await.ok()
    }

    pub(super) async fn keep_schema(&self, id: u32, text: &str) {
        self.keep(&format!("{id}.avsc"), text).await;
    }

    pub(super) async fn id_of(&self, subject: &str, text: &str) -> Option<u32> {
        let known = fs::read_to_string(self.folder.join(name_of(subject, text))).await.ok()?;
        known.trim().parse().ok()
    }

    pub(super) async fn keep_id(&self, subject: &str, text: &str, id: u32) {
        self.keep(&name_of(subject, text), &format!("{id}\n")).await;
    }

    /// Whole or not at all, and without a word when the disk is full: the answer itself is there, and the next one is kept
    /// again.
    async fn keep(&self, name: &str, text: &str) {
        let (path, half) =
            (self.folder.join(name), self.folder.join(format!("{name}.{}", std::process::id())));
        if fs::write(&half, text).await.is_ok() && fs::rename(&half, &path).await.is_err() {
            fs::remove_file(&half).await.ok();
        }
    }
}

fn name_of(subject: &str, text: &str) -> String {
    format!("{}.id", digest(format!("{subject}\n{text}").as_bytes()))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
