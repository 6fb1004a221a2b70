//! Views of the reference domain: what a dashboard sees of the executions of agents.
//!
//! [`ExecutionsPostgres`] folds each execution into an [`ExecutionRow`] of the table `execution`, and all of them into
//! the totals of `execution_total`, which readers see as `repository_model_total`. [`ExecutionsRedis`] folds each into
//! an [`ExecutionLive`], small and current, with a leaderboard by cost.
//!
//! An execution that was withdrawn has no view, until it is started anew. The folds promise to accept every history that
//! the rules of an execution allow (`agents` bounds what it records so that it fits: names by an index's entry, the costs
//! of a run by 2^53), and to refuse, with a reason, what cannot be: an event after the end, a step that is not the next, a
//! negative amount, a sum that would overflow. They never panic. Totals over many runs are 64-bit numbers: of money they
//! hold 9 billion USD a repository and model. Personal fields of the events (who asked, who cancelled, what a failure
//! said) stay out of the views.
//!
//! This crate knows no database: the definition of its tables is text that a sink applies.

mod execution_live;
mod execution_row;
mod rules;
mod words;

pub use execution_live::{COST_BOARD, ExecutionLive, ExecutionsRedis};
pub use execution_row::{ExecutionRow, ExecutionsPostgres};
pub use words::{Status, Verdict, model_name};

/// What [`ExecutionsPostgres`] has in Postgres, as SQL: its rows, then its totals. It is written for one edition of the views; a
/// change of it is another edition.
pub const EXECUTIONS_DEFINITION: &[&str] =
    &[include_str!("../definition/execution.sql"), include_str!("../definition/execution_total.sql")];

/// The table of [`ExecutionRow`].
pub const EXECUTION_TABLE: &str = "execution";

/// The table of the totals over [`ExecutionRow`], kept per partition.
pub const EXECUTION_TOTAL_TABLE: &str = "execution_total";

/// The totals over [`ExecutionRow`] as readers see them, by repository and model.
pub const REPOSITORY_MODEL_TOTAL_VIEW: &str = "repository_model_total";

#[cfg(test)]
mod tests;
