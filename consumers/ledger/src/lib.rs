//! Completeness: store, topic and sinks compared by id, bytes, version and digest.
