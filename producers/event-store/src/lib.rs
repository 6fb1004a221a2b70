//! Event stores: Postgres and in-memory, behind one trait.
