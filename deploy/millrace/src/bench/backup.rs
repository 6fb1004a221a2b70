//! How fast the store becomes files, how large they are, and how fast they become a store again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use event_store::{AuditConfig, Deed};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::memory::{forget_peak, peak_mib};
use super::report::{Aim, Figure};
use super::scratch::Scratch;
use super::{Output, backlog};
use crate::backup::MADE_BY;
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// Events that the store has at least; what it lacks is appended first
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    /// Where the backup is written; it is removed at the end
    #[arg(long, default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &BackupArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let auditor: AuditConfig = settings(stack)?;
    let mut auditor = auditor.connect().await?.acquire().await?;
    let stored: i64 = sqlx::query_scalar(include_str!("../../queries/event_store_count.sql"))
        .fetch_one(&mut *auditor)
        .await?;
    let lacking = args.events.saturating_sub(stored.unsigned_abs());
    if lacking > 0 {
        backlog::pile_up(stack, lacking).await?;
    }
    let path = args.directory.join(format!(".bench-backup-{}", Uuid::now_v7().simple()));
    let measured = measure(stack, &path, &mut auditor).await;
    if path.exists() {
        std::fs::remove_dir_all(&path)?;
    }
    measured
}

async fn measure(stack: &str, path: &Path, auditor: &mut PgConnection) -> anyhow::Result<Vec<Figure>> {
    // Its rows, without its indexes.
    let table: i64 =
        sqlx::query_scalar("select pg_table_size('event_store')").fetch_one(&mut *auditor).await?;
    let registry = wire::Registry::new(&settings(stack)?)?;
    forget_peak()?;
    let begun = Instant::now();
    let folder = archive::backup(auditor, &registry, path, MADE_BY, |_| {}).await?;
    let (backup_took, backup_memory) = (begun.elapsed(), peak_mib()?);

    let (read, begun) = (folder.clone(), Instant::now());
    tokio::task::spawn_blocking(move || read.verify(|_| {})).await??;
    let verify_took = begun.elapsed();

    let scratch = Scratch::create(stack).await?;
    forget_peak()?;
    let begun = Instant::now();
    let restored = restore(&scratch, &folder).await;
    let (restore_took, restore_memory) = (begun.elapsed(), peak_mib()?);
    scratch.remove()?;
    restored?;

    let (events, bytes) = (folder.manifest.events, crate::backup::size(&folder) as f64);
    let per_s = |name: &str, took: Duration, memory: f64| {
        let seconds = took.as_secs_f64();
        [
            Figure::new(format!("{name}.rate"), events as f64 / seconds, "events/s", Aim::None),
            Figure::new(
                format!("{name}.bytes.rate"),
                table as f64 / 1e6 / seconds,
                "MB/s of the table",
                Aim::None,
            ),
            Figure::new(format!("{name}.memory.max"), memory, "MiB", Aim::None),
        ]
    };
    let mut figures = vec![
        Figure::new("backup.events", events as f64, "count", Aim::None),
        Figure::new("backup.table", table as f64 / 1e6, "MB", Aim::None),
        Figure::new("backup.files", bytes / 1e6, "MB", Aim::None),
        Figure::new("backup.files.share", bytes / table as f64 * 100.0, "% of the table", Aim::None),
    ];
    figures.extend(per_s("backup", backup_took, backup_memory));
    let verified = events as f64 / verify_took.as_secs_f64();
    figures.push(Figure::new("backup.verify.rate", verified, "events/s", Aim::None));
    figures.extend(per_s("restore", restore_took, restore_memory));
    Ok(figures)
}

/// Into a database that is migrated and empty; what is there then is compared with the files.
async fn restore(scratch: &Scratch, folder: &archive::Folder) -> anyhow::Result<()> {
    let mut owner = PgConnection::connect(&scratch.url("owner")).await?;
    let mut auditor = PgConnection::connect(&scratch.url("auditor")).await?;
    let deed = Deed { actor: "bench".to_owned(), reason: "to see how long it takes".to_owned() };
    Ok(archive::restore(&mut owner, &mut auditor, folder, &deed, |_| {}).await?)
}
