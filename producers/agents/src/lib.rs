//! The reference domain: executions of AI agents; pure.
