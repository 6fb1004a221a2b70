//! Fault classes, parked keys, redrive, decisions, and the relay to the dead-letter topic.
