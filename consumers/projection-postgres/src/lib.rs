//! Postgres views: one fenced transaction per flush.
