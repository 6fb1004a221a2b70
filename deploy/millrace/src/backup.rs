//! `millrace backup`: the event store as files.

use std::path::PathBuf;

use archive::Folder;

use crate::deed::MADE_BY;
use crate::exit::Exit;

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
    store: event_store::AuditConfig,

    #[command(flatten)]
    registry: wire::RegistryConfig,
}

impl BackupArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let mut auditor = self.store.connect().await?.acquire().await?;
        let registry = wire::Registry::new(&self.registry)?;
        // An estimate by the planner is enough for a bar.
        let expected: i64 = sqlx::query_scalar(
            "select greatest(reltuples, 0)::bigint from pg_class where relname = 'event_store'",
        )
        .fetch_one(&mut *auditor)
        .await?;
        let bar = crate::progress::bar(expected.unsigned_abs(), "events");
        let folder =
            archive::backup(&mut auditor, &registry, &self.folder, MADE_BY, |seen| bar.set_position(seen))
                .await?;
        if self.verify {
            bar.set_position(0);
            verify(folder.clone(), bar.clone()).await?;
        }
        bar.finish_and_clear();
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

/// Reads everything again, off the async threads.
pub(crate) async fn verify(folder: Folder, bar: indicatif::ProgressBar) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || folder.verify(|seen| bar.set_position(seen))).await??;
    Ok(())
}

fn size(folder: &Folder) -> u64 {
    folder.manifest.files.iter().map(|file| file.bytes).sum()
}
