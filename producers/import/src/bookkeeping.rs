//! Which runs there were, kept beside the events.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use events::TenantId;
use serde::Serialize;
use sqlx::PgPool;
use sqlx::postgres::{PgPoolOptions, PgRow};
use sqlx::types::{Json, Uuid};
use sqlx::{FromRow, Row};

use crate::{Counts, Error, Progress};

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was begun, and has not said that it ended.
    Running,
    /// It read its source to the end.
    Done,
    /// It is being taken back.
    RollingBack,
    /// It was taken back.
    RolledBack,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::RollingBack => "rolling-back",
            Self::RolledBack => "rolled-back",
        })
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Running, Self::Done, Self::RollingBack, Self::RolledBack];
        all.into_iter()
            .find(|state| state.to_string() == text)
            .ok_or_else(|| format!("a run has no state {text:?}"))
    }
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// The cause that its events name.
    pub run_id: Uuid,
    /// What its mapping is called.
    pub mapping_name: String,
    /// The mapping file as it was.
    #[serde(skip)]
    pub mapping: String,
    /// Where its rows came from.
    pub source: String,
    /// Who began it.
    pub actor: String,
    /// What became of it.
    pub state: State,
    /// When it was begun.
    pub begun_at: DateTime<Utc>,
    /// The store's last position before it.
    pub begun_position: i64,
    /// How many aggregates its tenant had before it.
    pub begun_aggregates: i64,
    /// How many events its tenant had before it.
    pub begun_events: i64,
    /// When it was last heard of.
    pub noted_at: DateTime<Utc>,
    /// What it did, as last noted.
    pub counts: serde_json::Value,
    /// The backup that was made before it stored anything, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
}

/// A backup, as a run remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// The name of its folder.
    pub name: String,
    /// The SHA-256 of its manifest, which vouches for all of it.
    pub sha256: String,
}

impl FromRow<'_, PgRow> for Run {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            run_id: row.try_get("run_id")?,
            mapping_name: row.try_get("mapping_name")?,
            mapping: row.try_get("mapping")?,
            source: row.try_get("source")?,
            actor: row.try_get("actor")?,
            state: row
                .try_get::<&str, _>("state")?
                .parse()
                .map_err(|error: String| sqlx::Error::Decode(error.into()))?,
            begun_at: row.try_get("begun_at")?,
            begun_position: row.try_get("begun_position")?,
            begun_aggregates: row.try_get("begun_aggregates")?,
            begun_events: row.try_get("begun_events")?,
            noted_at: row.try_get("noted_at")?,
            counts: row.try_get("counts")?,
            backup: Option::zip(row.try_get("backup")?, row.try_get("backup_sha256")?)
                .map(|(name, sha256)| Backup { name, sha256 }),
        })
    }
}

/// The runs of one tenant.
#[derive(Debug, Clone)]
pub struct Bookkeeping {
    pub(crate) app: PgPool,
    pub(crate) tenant: TenantId,
}

impl Bookkeeping {
    /// Connects to the events' database as the role `app`.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn connect(url: &str, tenant: TenantId) -> Result<Self, Error> {
        let app = PgPoolOptions::new().max_connections(1).connect(url).await;
        Ok(Self { app: app.map_err(failed("connect to the events' database"))?, tenant })
    }

    /// Begins a run, and notes where the store stands; or goes on with the one of the same mapping and source that did not
    /// end.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn begin(
        &self,
        mapping_name: &str,
        mapping: &str,
        source: &str,
        actor: &str,
    ) -> Result<Run, Error> {
        sqlx::query_as(include_str!("../queries/import_run_begin.sql"))
            .bind(self.tenant.as_str())
            .bind(Uuid::now_v7())
            .bind(mapping_name)
            .bind(mapping)
            .bind(source)
            .bind(actor)
            .fetch_one(&self.app)
            .await
            .map_err(failed("begin the run"))
    }

    /// Notes the backup that was made for a run, before it stores anything.
    ///
    /// # Errors
    /// When the database does not do it, or the run has another one.
    pub async fn backed_up(&self, run: Uuid, backup: &Backup) -> Result<(), Error> {
        let noted: bool = sqlx::query_scalar(include_str!("../queries/import_run_backed_up.sql"))
            .bind(self.tenant.as_str())
            .bind(run)
            .bind(&backup.name)
            .bind(&backup.sha256)
            .fetch_one(&self.app)
            .await
            .map_err(failed("note the run's backup"))?;
        if noted { Ok(()) } else { Err(Error::NotRunning { run }) }
    }

    /// Notes how far a run has come.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn note(&self, run: Uuid, progress: &Progress) -> Result<(), Error> {
        let counts = serde_json::json!({
            "rows": progress.rows(), "rows_rejected": progress.rejected(),
            "events_appended": progress.appended(), "events_present": progress.present(),
        });
        self.write(run, false, counts).await
    }

    /// Notes that a run read its source to the end, and what it did.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn done(&self, run: Uuid, counts: &Counts) -> Result<(), Error> {
        self.write(run, true, serde_json::to_value(counts).expect("counts are JSON")).await
    }

    async fn write(&self, run: Uuid, done: bool, counts: serde_json::Value) -> Result<(), Error> {
        let noted: bool = sqlx::query_scalar(include_str!("../queries/import_run_note.sql"))
            .bind(self.tenant.as_str())
            .bind(run)
            .bind(done)
            .bind(Json(counts))
            .fetch_one(&self.app)
            .await
            .map_err(failed("note how far the run has come"))?;
        if noted { Ok(()) } else { Err(Error::NotRunning { run }) }
    }

    /// The tenant's runs, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn runs(&self) -> Result<Vec<Run>, Error> {
        sqlx::query_as(include_str!("../queries/import_run_list.sql"))
            .bind(self.tenant.as_str())
            .fetch_all(&self.app)
            .await
            .map_err(failed("list the runs"))
    }

    /// One run, if the tenant has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn run(&self, run: Uuid) -> Result<Option<Run>, Error> {
        Ok(self.runs().await?.into_iter().find(|it| it.run_id == run))
    }
}

pub(crate) fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database { what, source }
}
