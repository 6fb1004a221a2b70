//! The whole read side on a real broker.
