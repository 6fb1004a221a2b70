//! Real services for tests, fault injection, oracles.
