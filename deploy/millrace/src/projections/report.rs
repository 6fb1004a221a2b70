//! How fresh the views are, written down beside them about once a second.

use std::time::Duration;

use kafka::Standing;
use ownership::{Progress, Reported};
use projection_postgres::PostgresConfig;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// Longest wait for the database; it is not needed for the views to go on.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What one projector says of itself.
#[derive(Debug)]
pub(crate) struct Reports {
    pub(crate) projection: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) standings: watch::Receiver<Vec<Standing>>,
}

/// Writes down what projectors say until told to stop. A database that cannot be had is tried again: it is a hint.
pub(crate) async fn write_down(
    config: PostgresConfig,
    reports: Vec<Reports>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let options = config.options("projection status")?;
    let mut connection = None;
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match tokio::time::timeout(ANSWER_MAX, once(connection.take(), &options, &reports)).await {
            Ok(Ok(kept)) => connection = Some(kept),
            Ok(Err(error)) => tracing::debug!("how fresh the views are cannot be written down: {error:#}"),
            Err(_) => tracing::debug!("how fresh the views are cannot be written down within {ANSWER_MAX:?}"),
        }
    }
    Ok(())
}

async fn once(
    kept: Option<PgConnection>,
    options: &PgConnectOptions,
    reports: &[Reports],
) -> anyhow::Result<PgConnection> {
    let mut connection = match kept {
        Some(kept) => kept,
        None => PgConnection::connect_with(options).await?,
    };
    for Reports { projection, topic, standings } in reports {
        let reported: Vec<Reported> = standings.borrow().iter().map(reported).collect();
        if !reported.is_empty() {
            Progress { projection, topic }.report(&mut connection, &reported).await?;
        }
    }
    Ok(connection)
}

fn reported(standing: &Standing) -> Reported {
    Reported {
        partition: standing.partition,
        epoch: standing.epoch,
        next_offset: standing.next_offset,
        end_offset: standing.end.map(|end| end.offset),
        current_at_micros: standing.current_at().map(|at| at.micros()),
        newest_at_micros: standing.newest.map(|at| at.micros()),
        parked_keys: standing.parked_keys as i64,
        stopped: standing.stopped,
    }
}
