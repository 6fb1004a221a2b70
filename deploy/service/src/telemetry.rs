//! Logs on stderr, one line each; stdout is for data.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How much a program says, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// What is logged: a level, or directives such as `info,kafka=debug`.
    #[arg(long, env = "MILLRACE_LOG", default_value = "warn", global = true, help_heading = "Telemetry")]
    pub log: String,

    /// How a log line is written.
    #[arg(
        long,
        env = "MILLRACE_LOG_FORMAT",
        default_value = "text",
        global = true,
        help_heading = "Telemetry"
    )]
    pub log_format: LogFormat,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// Starts logging. To be called once, first.
///
/// # Errors
/// When the directives cannot be parsed; the error names the directive.
pub fn init(config: &Config) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(&config.log)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
