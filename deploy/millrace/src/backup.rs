//! `millrace backup`: the event store as files.

use std::path::{Path, PathBuf};

use archive::Folder;
use event_store::AuditConfig;
use wire::{Registry, RegistryConfig};

use crate::exit::Exit;

/// What made a folder, as its manifest says.
pub(crate) const MADE_BY: &str = concat!("millrace ", env!("CARGO_PKG_VERSION"));

/// What to write where.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// The folder to write; it must not exist yet
    folder: PathBuf,

    /// Read the files again and compare them with what was copied
    #[arg(long)]
    verify: bool,

    /// Print what was written as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: AuditConfig,

    #[command(flatten)]
    registry: RegistryConfig,
}

impl BackupArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let folder = write(&self.store, &self.registry, &self.folder, self.verify).await?;
        let (manifest, bytes) = (&folder.manifest, size(&folder));
        if self.json {
            let summary = serde_json::json!({
                "folder": folder.path, "manifest_sha256": folder.digest, "events": manifest.events,
                "streams": manifest.streams.len(), "bytes": bytes, "digest": manifest.digest, "verified": self.verify,
            });
            println!("{summary}");
        } else {
            println!(
                "{} events of {} streams in {bytes} bytes, digest {}, manifest {}{}",
                manifest.events,
                manifest.streams.len(),
                manifest.digest,
                folder.digest,
                if self.verify { ", read back" } else { "" }
            );
        }
        Ok(Exit::Ok)
    }
}

/// Writes a backup with a bar, and reads it again where asked.
pub(crate) async fn write(
    store: &AuditConfig,
    registry: &RegistryConfig,
    path: &Path,
    verified: bool,
) -> anyhow::Result<Folder> {
    let mut auditor = store.connect().await?.acquire().await?;
    let registry = Registry::new(registry)?;
    // An estimate by the planner is enough for a bar.
    let expected: i64 = sqlx::query_scalar(
        "select greatest(reltuples, 0)::bigint from pg_class where relname = 'event_store'",
    )
    .fetch_one(&mut *auditor)
    .await?;
    let bar = crate::progress::bar(expected.unsigned_abs(), "events");
    let folder =
        archive::backup(&mut auditor, &registry, path, MADE_BY, |seen| bar.set_position(seen)).await?;
    if verified {
        bar.set_position(0);
        verify(folder.clone(), bar.clone()).await?;
    }
    bar.finish_and_clear();
    Ok(folder)
}

/// Reads everything again, off the async threads.
pub(crate) async fn verify(folder: Folder, bar: indicatif::ProgressBar) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || folder.verify(|seen| bar.set_position(seen))).await??;
    Ok(())
}

/// How many bytes its files have.
pub(crate) fn size(folder: &Folder) -> u64 {
    folder.manifest.files.iter().map(|file| file.bytes).sum()
}
