//! The local stack: real servers as plain processes.
