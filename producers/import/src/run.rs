//! A run: rows planned one after another, stored side by side.

use std::fmt;
use std::sync::Arc;

use event_store::EventStore;
use events::TenantId;
use mapping::Mapping;
use tokio::task::JoinSet;

use crate::append::{Appender, Settled};
use crate::{Error, Origin, Planned, Planner, Progress, Rejected, Report, Rows, Target};

/// Rows of one append: enough to make a round trip worth while …
const BATCH_ROWS: usize = 100;
/// … while it stays small enough for whoever waits behind it.
const BATCH_EVENTS: usize = 400;

/// Imports rows for one tenant.
pub struct Importer<S> {
    store: Arc<S>,
    target: Arc<dyn Target>,
    tenant: TenantId,
    concurrency: usize,
}

impl<S> fmt::Debug for Importer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Importer")
            .field("tenant", &self.tenant)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

impl<S: EventStore + 'static> Importer<S> {
    /// Stores what `target` decides, in at most `concurrency` appends at the same time.
    pub fn new(store: Arc<S>, target: Arc<dyn Target>, tenant: TenantId, concurrency: usize) -> Self {
        Self { store, target, tenant, concurrency: concurrency.max(1) }
    }

    pub(crate) fn appender(&self) -> Appender<S> {
        Appender {
            store: Arc::clone(&self.store),
            target: Arc::clone(&self.target),
            tenant: self.tenant.clone(),
        }
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    pub(crate) fn planner<'a>(&'a self, mapping: &'a Mapping, run: Option<String>) -> Planner<'a> {
        Planner::new(mapping, &self.tenant, &*self.target, run)
    }

    /// Maps, decides and encodes every row, and writes nothing. Tells every row that is refused.
    ///
    /// # Errors
    /// When the source fails as a whole.
    pub async fn validate(
        &self,
        mapping: &Mapping,
        origin: &Origin,
        progress: &Progress,
        mut tell: impl FnMut(&Rejected),
    ) -> Result<Report, Error> {
        let (mut rows, mut planner) = (Rows::open(mapping, origin).await?, self.planner(mapping, None));
        let mut report = Report::default();
        while let Some((place, row)) = rows.next().await? {
            report.counts.rows += 1;
            match planner.plan(place, row) {
                Ok(planned) => {
                    report.counts.add(mapping, &planned);
                    progress.applied(0, 0);
                }
                Err(rejected) => {
                    report.counts.rows_rejected += 1;
                    progress.refused();
                    tell(&rejected);
                }
            }
        }
        report.complete = true;
        Ok(report)
    }

    /// Stores every good row; `run` becomes the cause of its events. Stored events are recognised, so a second run, or
    /// one after a kill, adds what is missing and nothing twice.
    ///
    /// # Errors
    /// When source or store fail; what was stored until then stays, and the run can be started again.
    pub async fn run(
        &self,
        mapping: &Mapping,
        origin: &Origin,
        run: &str,
        progress: &Progress,
        mut tell: impl FnMut(&Rejected),
    ) -> Result<Report, Error> {
        let (mut rows, mut planner) =
            (Rows::open(mapping, origin).await?, self.planner(mapping, Some(run.to_owned())));
        let (mut report, mut batch, mut events) = (Report::default(), Vec::new(), 0);
        let mut appends: JoinSet<Result<Vec<Settled>, Error>> = JoinSet::new();
        let mut settle = |settled: Vec<Settled>, report: &mut Report| {
            for one in settled {
                one.count(mapping, report, progress, &mut tell);
            }
        };
        while let Some((place, row)) = rows.next().await? {
            report.counts.rows += 1;
            let planned = match planner.plan(place, row) {
                Ok(planned) => planned,
                Err(rejected) => {
                    settle(vec![Settled::Rejected(*rejected)], &mut report);
                    continue;
                }
            };
            let most = events + planned.events.len();
            if !batch.is_empty() && (most > BATCH_EVENTS || batch.len() >= BATCH_ROWS) {
                self.spawn(&mut appends, std::mem::take(&mut batch));
                events = 0;
                while appends.len() >= self.concurrency {
                    settle(joined(&mut appends).await?, &mut report);
                }
            }
            events += planned.events.len();
            batch.push(planned);
        }
        if !batch.is_empty() {
            self.spawn(&mut appends, batch);
        }
        while !appends.is_empty() {
            settle(joined(&mut appends).await?, &mut report);
        }
        report.complete = true;
        Ok(report)
    }

    fn spawn(&self, appends: &mut JoinSet<Result<Vec<Settled>, Error>>, batch: Vec<Planned>) {
        let appender = self.appender();
        appends.spawn(async move { appender.settle(batch).await });
    }
}

async fn joined(appends: &mut JoinSet<Result<Vec<Settled>, Error>>) -> Result<Vec<Settled>, Error> {
    match appends.join_next().await {
        Some(Ok(settled)) => settled,
        Some(Err(broken)) => Err(Error::Broken(broken)),
        None => Ok(Vec::new()),
    }
}

impl Settled {
    fn count(
        self,
        mapping: &Mapping,
        report: &mut Report,
        progress: &Progress,
        tell: &mut impl FnMut(&Rejected),
    ) {
        match self {
            Self::Applied { row, appended, present } => {
                report.counts.add(mapping, &row);
                report.counts.events_appended += appended;
                report.counts.events_present += present;
                progress.applied(appended, present);
            }
            Self::Rejected(rejected) => {
                report.counts.rows_rejected += 1;
                progress.refused();
                tell(&rejected);
            }
        }
    }
}
