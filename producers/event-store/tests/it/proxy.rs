//! A proxy between store and Postgres that counts what is asked, and can lose an answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use event_store::PgEventStore;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::fixture::{Events, connections};

/// A store whose connections lead through a proxy.
pub(crate) struct Proxied {
    pub(crate) store: PgEventStore,
    wire: Arc<Wire>,
    accepting: JoinHandle<()>,
    _folder: TempDir,
}

#[derive(Default)]
struct Wire {
    /// Sync messages sent: each is one answer that the client waits for.
    syncs: AtomicUsize,
    /// Whether the next answer is cut off.
    lose_next: AtomicBool,
}

impl Proxied {
    pub(crate) fn new(events: &Events, most: u32) -> Self {
        let url = events.database.url("app");
        let server = url.split("host=").nth(1).expect("Postgres is reached through its socket");
        let port = testkit::stack().get("MILLRACE_POSTGRES_PORT");
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket(folder.path(), port)).unwrap();
        let wire = Arc::new(Wire::default());
        let (shared, target) = (wire.clone(), socket(Path::new(server), port));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target.clone(), shared.clone()));
            }
        });
        let url = url.replace(server, &folder.path().display().to_string());
        Self { store: PgEventStore::new(connections(&url, most)), wire, accepting, _folder: folder }
    }

    /// Answers waited for since the last time this was asked.
    pub(crate) fn round_trips(&self) -> usize {
        self.wire.syncs.swap(0, Ordering::SeqCst)
    }

    /// The server gets the next statement and carries it out; the client's connection breaks instead of an answer.
    pub(crate) fn lose_next_answer(&self) {
        self.wire.lose_next.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn socket(folder: &Path, port: &str) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

async fn forward(mut client: UnixStream, server: PathBuf, wire: Arc<Wire>) -> std::io::Result<()> {
    let mut server = UnixStream::connect(server).await?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        ended = ask(from_client, to_server, &wire) => ended,
        ended = answer(from_server, to_client, &wire) => ended,
    }
}

/// Passes the client's messages on, one by one.
async fn ask(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, wire: &Wire) -> std::io::Result<()> {
    let mut is_startup = true; // the first message has no type
    loop {
        let kind = if is_startup { None } else { Some(from.read_u8().await?) };
        let length = from.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await?;
        if let Some(kind) = kind {
            to.write_u8(kind).await?;
        }
        to.write_u32(length).await?;
        to.write_all(&body).await?;
        wire.syncs.fetch_add(usize::from(kind == Some(b'S')), Ordering::SeqCst);
        is_startup = false;
    }
}

/// Passes the server's bytes on, or hangs up once it has answered.
async fn answer(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, wire: &Wire) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 || wire.lose_next.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        to.write_all(&bytes[..count]).await?;
    }
}
