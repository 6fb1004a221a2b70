//! The process shell: telemetry, health, shutdown.
