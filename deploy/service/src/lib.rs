//! The shell around every long-running role: telemetry, health, metrics, shutdown.
//!
//! It promises that a role stops when it is asked to (SIGTERM or Ctrl-C once: drain; twice: at once) and that its state
//! can be read over HTTP on loopback. It knows nothing of events.

mod health;
mod shutdown;
mod telemetry;

pub use health::{Error, Health, Probe};
pub use shutdown::shutdown_signal;
pub use telemetry::{Config as TelemetryConfig, LogFormat, init as init_telemetry};
