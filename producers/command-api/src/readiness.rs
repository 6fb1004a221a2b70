//! Whether commands can be taken just now.

use std::time::Duration;

use event_store::{PgEventStore, Usage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Whether commands can be taken just now, and if not, why not: the store is asked every so often until `stop`, and has as long
/// to answer.
pub fn readiness(
    store: PgEventStore,
    every: Duration,
    stop: CancellationToken,
) -> impl Fn() -> Result<(), String> + Send + Sync {
    let (tell, told) = watch::channel(Err("the store was not asked yet".to_owned()));
    let stopped = stop.clone();
    tokio::spawn(async move {
        loop {
            drop(tell.send_replace(ask(&store, every).await));
            tokio::select! {
                () = tokio::time::sleep(every) => (),
                () = stopped.cancelled() => break,
            }
        }
    });
    move || if stop.is_cancelled() { Err("shutting down".to_owned()) } else { told.borrow().clone() }
}

async fn ask(store: &PgEventStore, within: Duration) -> Result<(), String> {
    match tokio::time::timeout(within, store.ping()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the store does not answer: {error}")),
        Err(_) => Err(late(store.usage())),
    }
}

fn late(Usage { most, in_use }: Usage) -> String {
    if in_use >= most {
        format!("all {most} connections to the store are in use")
    } else {
        "the store does not answer in time".to_owned()
    }
}
