//! Aggregate trait and given/when/then harness; pure.
