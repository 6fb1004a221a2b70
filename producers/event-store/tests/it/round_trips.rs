//! One append is one round trip, counted on the wire: a proxy between store and Postgres counts Sync messages.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use event_store::{EventStore, Expected, PgEventStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::fixture::{Events, aggregate, append, connections, tenant};

/// Passes one client's bytes to the server; every Sync is one answer the client waits for.
async fn forward(mut client: UnixStream, server: PathBuf, syncs: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut server = UnixStream::connect(server).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        let mut is_startup = true;
        loop {
            // The first message has no type byte.
            let tag = if is_startup { None } else { Some(from_client.read_u8().await?) };
            let length = from_client.read_u32().await?;
            let mut body = vec![0; length as usize - 4];
            from_client.read_exact(&mut body).await?;
            if let Some(tag) = tag {
                to_server.write_u8(tag).await?;
            }
            to_server.write_u32(length).await?;
            to_server.write_all(&body).await?;
            syncs.fetch_add(usize::from(tag == Some(b'S') || tag == Some(b'Q')), Ordering::SeqCst);
            is_startup = false;
        }
    };
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        ended = up => ended,
        ended = down => ended.map(drop),
    }
}

fn socket(folder: &Path, port: &str) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

#[tokio::test]
async fn an_append_is_one_round_trip_and_so_is_a_conflict_and_a_load() {
    let (events, acme, id) = (Events::new().await, tenant("acme"), aggregate());
    let url = events.database.url("app");
    let (folder, port) = (url.split("host=").nth(1).unwrap(), testkit::stack().get("MILLRACE_POSTGRES_PORT"));
    let between = tempfile::tempdir().unwrap();
    let (listener, server) =
        (UnixListener::bind(socket(between.path(), port)).unwrap(), socket(Path::new(folder), port));
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = syncs.clone();
    let proxy = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(forward(client, server.clone(), counted.clone()));
        }
    });
    let store =
        PgEventStore::new(connections(&url.replace(folder, &between.path().display().to_string()), 1));

    // The first of each prepares its statement.
    store.append(&acme, &[append(id, Expected::None, 1)]).await.unwrap();
    store.load(&acme, id, 0).await.unwrap();

    syncs.store(0, Ordering::SeqCst);
    for version in 1..=20 {
        store
            .append(
                &acme,
                &[append(id, Expected::Exactly(version), 1), append(aggregate(), Expected::None, 3)],
            )
            .await
            .unwrap();
    }
    assert_eq!(syncs.swap(0, Ordering::SeqCst), 20, "appends");
    store.append(&acme, &[append(id, Expected::None, 1)]).await.unwrap_err();
    assert_eq!(syncs.swap(0, Ordering::SeqCst), 1, "a conflict, with the events in between");
    assert_eq!(store.load(&acme, id, 0).await.unwrap().len(), 21);
    assert_eq!(syncs.swap(0, Ordering::SeqCst), 1, "a load");
    proxy.abort();
}
