//! Streams that are over and quiet for long enough go to an archive, where a policy says so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use archive::Wanted;
use clap::Args;
use event_store::{AuditConfig, Deed};
use events::{AggregateId, TenantId};
use futures::future::BoxFuture;
use life_cycle::{Policy, Steward};
use sqlx::PgPool;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::chore::Chore;
use crate::backup::MADE_BY;

/// Streams of one aggregate type that go to one archive at most.
const STREAMS: u32 = 200;

/// What the janitor archives; nothing, unless a policy is given.
#[derive(Debug, Args)]
pub(crate) struct RetentionArgs {
    /// The policy by which the janitor archives streams, as `millrace store retention` takes it; without one it archives none
    #[arg(long, env = "MILLRACE_RETENTION_POLICY", value_name = "FILE")]
    retention_policy: Option<PathBuf>,

    /// Where these archives go
    #[arg(long, env = "MILLRACE_ARCHIVE_DIRECTORY", value_name = "DIR")]
    archive_directory: Option<PathBuf>,

    /// The events' database as the role `auditor`; needed for archives only
    #[arg(long, env = "MILLRACE_EVENTS_AUDITOR_URL", hide_env_values = true, value_name = "URL")]
    events_auditor_url: Option<String>,

    /// The registry's address, whose schemas go into the archives
    #[arg(long, env = "MILLRACE_REGISTRY_URL", value_name = "URL")]
    registry_url: Option<String>,
}

impl RetentionArgs {
    /// The chore, if a policy is given.
    pub(super) async fn chore(&self, owner: &PgPool) -> anyhow::Result<Option<ArchiveStreams>> {
        let Some(path) = &self.retention_policy else { return Ok(None) };
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("failed to read {}", path.display()))?;
        let policy = Policy::parse(&text).with_context(|| format!("in {}", path.display()))?;
        let needed = (&self.archive_directory, &self.events_auditor_url, &self.registry_url);
        let (Some(directory), Some(auditor), Some(registry)) = needed else {
            bail!("a retention policy needs --archive-directory, --events-auditor-url and --registry-url");
        };
        let auditor = AuditConfig { events_auditor_url: auditor.clone() }.connect().await?;
        Ok(Some(ArchiveStreams {
            steward: Steward::new(owner.clone(), auditor.clone()),
            owner: owner.clone(),
            auditor,
            registry: wire::Registry::new(&wire::RegistryConfig::at(registry))?,
            directory: directory.clone(),
            deed: Deed { actor: "janitor".to_owned(), reason: format!("policy {}", path.display()) },
            policy,
        }))
    }
}

/// Archives the streams that a policy wants archived, one archive a tenant.
#[derive(Clone)]
pub(super) struct ArchiveStreams {
    steward: Steward,
    policy: Policy,
    owner: PgPool,
    auditor: PgPool,
    registry: wire::Registry,
    directory: PathBuf,
    deed: Deed,
}

impl Chore for ArchiveStreams {
    fn name(&self) -> &'static str {
        "archive-streams"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3600)
    }

    /// On a thread of its own, for archiving reads and writes files; when it is given up, so is what runs there.
    fn run(&self) -> BoxFuture<'_, anyhow::Result<String>> {
        Box::pin(async {
            let (work, given_up, runtime) = (self.clone(), CancellationToken::new(), Handle::current());
            let _guard = given_up.clone().drop_guard();
            let archive = move || runtime.block_on(given_up.run_until_cancelled(work.archive_all()));
            tokio::task::spawn_blocking(archive).await?.context("it was given up")?
        })
    }
}

impl ArchiveStreams {
    /// Goes on until nothing is due: what was archived is due no more.
    async fn archive_all(&self) -> anyhow::Result<String> {
        let (mut events, mut streams) = (0, 0);
        loop {
            let mut due: BTreeMap<TenantId, Vec<_>> = BTreeMap::new();
            for stream in self.steward.due_for_archive(&self.policy, STREAMS).await? {
                let wanted = (stream.aggregate_id, Some(stream.to_version));
                due.entry(stream.tenant).or_default().push(wanted);
            }
            if due.is_empty() {
                return Ok(format!("{events} events of {streams} streams archived"));
            }
            for (tenant, wanted) in due {
                events += self.archive(&tenant, &wanted).await?;
                streams += wanted.len();
            }
        }
    }

    async fn archive(
        &self,
        tenant: &TenantId,
        streams: &[(AggregateId, Option<u64>)],
    ) -> anyhow::Result<u64> {
        let folder = archive::archive_streams(
            &mut *self.owner.acquire().await?,
            &mut *self.auditor.acquire().await?,
            &self.registry,
            &self.directory,
            Wanted { tenant, streams },
            &self.deed,
            MADE_BY,
        )
        .await?;
        tracing::info!(archive = %folder.path.display(), %tenant, "streams were archived");
        Ok(folder.manifest.events)
    }
}
