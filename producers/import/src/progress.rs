//! How far a run has come; read while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that only grow.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
    rejected: AtomicU64,
    appended: AtomicU64,
    present: AtomicU64,
}

impl Progress {
    /// Rows that are done with, one way or another.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Rows that were refused.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Events that were stored.
    pub fn appended(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }

    /// Events that were there already.
    pub fn present(&self) -> u64 {
        self.present.load(Ordering::Relaxed)
    }

    pub(crate) fn applied(&self, appended: u64, present: u64) {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.appended.fetch_add(appended, Ordering::Relaxed);
        self.present.fetch_add(present, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }
}
