//! The consumer runtime: poll thread, ownership hand-over, lanes, lag.
