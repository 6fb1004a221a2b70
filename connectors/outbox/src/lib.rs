//! The outbox table, its partitions, publication and slot.
