//! What a program has of its own: its projections and its topics.

use std::sync::OnceLock;

use agent_views::{
    COST_BOARD, EXECUTION_TABLE, EXECUTION_TOTAL_TABLE, EXECUTIONS_DEFINITION, ExecutionsPostgres,
    ExecutionsRedis, REPOSITORY_MODEL_TOTAL_VIEW,
};
use catalog::Manifest;
use projection::Projection;
use projection_postgres::Tables;

use crate::projections::{InPostgres, InRedis, Registered, TotalsShown};

/// Every command of `millrace`, for projections and topics of one's own.
#[derive(Debug)]
pub struct Program {
    projections: Vec<&'static dyn Registered>,
    topics: Option<&'static str>,
}

/// The program that runs; there is one in a process.
static PROGRAM: OnceLock<Program> = OnceLock::new();

impl Program {
    /// No projections yet, and the topics of this manifest beside those of `schemas/topics.yaml`.
    pub const fn new(topics: &'static str) -> Self {
        Self { projections: Vec::new(), topics: Some(topics) }
    }

    /// The reference domain: executions of agents.
    pub fn reference() -> Self {
        let executions = InPostgres::<ExecutionsPostgres>::new(
            "Rows and totals of executions, in Postgres",
            Tables { view: EXECUTION_TABLE, totals: Some(EXECUTION_TOTAL_TABLE) },
            EXECUTIONS_DEFINITION,
            "executions",
        );
        let totals = TotalsShown {
            name: "repository-model-totals",
            about: "Totals of executions by repository and model",
            view: REPOSITORY_MODEL_TOTAL_VIEW,
            by: &["repository", "model_name"],
        };
        let live = InRedis::<ExecutionsRedis>::new(
            "Live state of executions and a leaderboard, in Redis",
            "live-executions",
            &[COST_BOARD],
        );
        Self { projections: Vec::new(), topics: None }
            .in_postgres(executions.with_totals(totals))
            .in_redis(live)
    }

    /// With this projection, whose views are tables.
    pub fn in_postgres<P: Projection>(self, projection: InPostgres<P>) -> Self {
        self.with(Box::new(projection))
    }

    /// With this projection, whose views are documents.
    pub fn in_redis<P: Projection>(self, projection: InRedis<P>) -> Self {
        self.with(Box::new(projection))
    }

    /// It is there for as long as the process.
    fn with(mut self, projection: Box<dyn Registered>) -> Self {
        self.projections.push(Box::leak(projection));
        self
    }

    /// From now on this is the program; there is none before.
    pub(crate) fn begin(self) {
        let name = |it: &&dyn Registered| it.name();
        let mut names: Vec<_> = self.projections.iter().map(name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), self.projections.len(), "two projections are registered under one name");
        assert!(PROGRAM.set(self).is_ok(), "a process is one program");
    }

    /// The program that runs.
    fn running() -> &'static Self {
        PROGRAM.get_or_init(Self::reference)
    }
}

/// Every projection of this program: what it is for, where it is kept, and under which names readers find it. Its name and its
/// topic are the [`Projection`]'s own.
pub(crate) fn projections() -> &'static [&'static dyn Registered] {
    &Program::running().projections
}

/// The topics of this program.
pub(crate) fn topics() -> anyhow::Result<Manifest> {
    let manifest = Manifest::committed();
    match Program::running().topics {
        None => Ok(manifest),
        Some(own) => Ok(manifest.with(Manifest::parse(own, "the topics of this program")?)?),
    }
}
