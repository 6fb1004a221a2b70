//! What is served, and where it is read.

use std::sync::Arc;

use events::{AggregateId, TenantId};
use http_api::problem::{Kind, Problem};
use http_api::{refused, unavailable};
use kafka::{Classify, Fault};
use projection_postgres::{Readers, Relation, Versioned};

use crate::changes::{Feed, TableFeed};
use crate::documents::{Documents, Scored};

/// One view, under the name that it is asked for by.
#[derive(Debug)]
pub struct View {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) projection: &'static str,
    /// How many partitions its topic has.
    pub(crate) partitions: usize,
    pub(crate) source: Source,
}

/// Where a view is.
#[derive(Debug)]
pub(crate) enum Source {
    /// A table of one row per aggregate.
    Table(Relation),
    /// Totals over the rows of a table.
    Totals { totals: Relation, rows: Relation },
    /// Documents, and the leaderboards that they are on.
    Documents { documents: Arc<dyn Documents>, boards: &'static [&'static str] },
}

impl View {
    /// The rows of a projection's table.
    pub fn table(
        name: &'static str,
        about: &'static str,
        projection: &'static str,
        partitions: usize,
        rows: Relation,
    ) -> Self {
        Self { name, about, projection, partitions, source: Source::Table(rows) }
    }

    /// Totals over the rows of a projection's table, which change in one transaction with them.
    pub fn totals(
        name: &'static str,
        about: &'static str,
        projection: &'static str,
        partitions: usize,
        totals: Relation,
        rows: Relation,
    ) -> Self {
        Self { name, about, projection, partitions, source: Source::Totals { totals, rows } }
    }

    /// The documents of a projection, and its leaderboards.
    pub fn documents(
        name: &'static str,
        about: &'static str,
        projection: &'static str,
        partitions: usize,
        documents: Arc<dyn Documents>,
        boards: &'static [&'static str],
    ) -> Self {
        Self { name, about, projection, partitions, source: Source::Documents { documents, boards } }
    }

    /// The relation whose pages are shown.
    pub(crate) fn relation(&self) -> Result<&Relation, Problem> {
        match &self.source {
            Source::Table(relation) | Source::Totals { totals: relation, .. } => Ok(relation),
            Source::Documents { .. } => {
                Err(Problem::new(Kind::NotFound, "the rows of this view are found by their ids alone"))
            }
        }
    }

    /// What is known of one aggregate's row; of totals, of the row that they sum.
    pub(crate) async fn versioned(
        &self,
        readers: &Readers,
        tenant: &TenantId,
        id: AggregateId,
    ) -> Result<Option<Versioned>, Problem> {
        match &self.source {
            Source::Table(rows) | Source::Totals { rows, .. } => {
                readers.row(rows, tenant, id).await.map_err(|error| not_read(&error))
            }
            Source::Documents { documents, .. } => {
                documents.row(tenant, id).await.map_err(|error| not_found(&*error))
            }
        }
    }

    /// The same as a row that is shown: totals have none.
    pub(crate) fn has_rows(&self) -> Result<(), Problem> {
        match &self.source {
            Source::Totals { .. } => {
                Err(Problem::new(Kind::NotFound, "totals have no rows of their own; filter by their columns"))
            }
            _ => Ok(()),
        }
    }

    /// The feed of its rows; totals have none.
    pub(crate) fn feed(&self, readers: &Readers) -> Option<Arc<dyn Feed>> {
        match &self.source {
            Source::Table(rows) => {
                let (readers, rows) = (readers.clone(), rows.clone());
                Some(Arc::new(TableFeed { readers, projection: self.projection, rows }))
            }
            Source::Totals { .. } => None,
            Source::Documents { documents, .. } => Some(Arc::clone(documents) as Arc<dyn Feed>),
        }
    }

    /// The first of a leaderboard.
    pub(crate) async fn board(
        &self,
        tenant: &TenantId,
        board: &str,
        limit: u32,
    ) -> Result<Vec<Scored>, Problem> {
        match &self.source {
            Source::Documents { documents, boards } if boards.contains(&board) => {
                documents.board(tenant, board, limit as usize).await.map_err(|error| not_found(&*error))
            }
            _ => Err(Problem::new(Kind::NotFound, "this view has no such leaderboard")),
        }
    }
}

/// What an error of the views' database means for who asked: what it cannot compare was a cursor's, since everything else was
/// read before.
pub(crate) fn not_read(error: &projection_postgres::Error) -> Problem {
    if error.fault() == Fault::Poison {
        return refused("cursor", "is not one that a page of this view ended with");
    }
    if error.is_too_slow() {
        return Problem::new(Kind::TooSlow, "ask for less, or have an index made for what is asked");
    }
    not_found(error)
}

pub(crate) fn not_found(error: &dyn std::error::Error) -> Problem {
    let cause = error.source().map(tracing::field::display);
    tracing::warn!(%error, cause, "a view was not read");
    unavailable("the views do not answer just now")
}
