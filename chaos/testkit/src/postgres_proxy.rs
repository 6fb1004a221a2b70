use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// A way to Postgres on which round trips are counted, statements and answers get lost, that can be long, and closed.
#[derive(Debug)]
pub struct PostgresProxy {
    url: String,
    server: PathBuf,
    wire: Arc<Wire>,
    accepting: JoinHandle<()>,
    _folder: TempDir,
}

/// What of a statement gets lost; the connection breaks instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The statement: the server never gets it.
    Statement,
    /// The answer: the server has carried it out.
    Answer,
}

#[derive(Debug, Default)]
struct Wire {
    /// Sync messages sent: each is one answer that the client waits for.
    syncs: AtomicUsize,
    /// Whether the next answer is cut off.
    lose_next: AtomicBool,
    /// What becomes of the next statements of these texts, in order.
    to_lose: Mutex<VecDeque<(String, Lost)>>,
    lost: AtomicUsize,
    /// How long everything is under way, in each direction.
    delay: OnceLock<Duration>,
}

impl PostgresProxy {
    /// A way to where this URL leads, through a socket as [`Database::url`](crate::Database::url) has it.
    ///
    /// # Panics
    /// When the URL leads through no socket.
    pub fn before(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (_, way) = url.split_once("host=").expect("Postgres is reached through its socket");
        let (wire, server) = (Arc::new(Wire::default()), socket(url));
        let url = url.replace(way, &folder.path().display().to_string());
        let accepting = accept(&socket(&url), &server, &wire);
        Self { url, server, wire, accepting, _folder: folder }
    }

    /// The same way, but what goes along it arrives so much later, there and back.
    ///
    /// # Panics
    /// When it was said before.
    #[must_use]
    pub fn delayed(self, delay: Duration) -> Self {
        self.wire.delay.set(delay).expect("it is said once");
        self
    }

    /// The URL that leads this way.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers waited for since the last time this was asked.
    pub fn round_trips(&self) -> usize {
        self.wire.syncs.swap(0, Ordering::SeqCst)
    }

    /// The server gets the next statement and carries it out; the client's connection breaks instead of an answer.
    pub fn lose_next_answer(&self) {
        self.wire.lose_next.store(true, Ordering::SeqCst);
    }

    /// Of the next statements that are this text and nothing else, such as `COMMIT`, this gets lost, one after the other.
    pub fn lose(&self, statement: &str, what: &[Lost]) {
        self.wire.to_lose().extend(what.iter().map(|lost| (statement.to_owned(), *lost)));
    }

    /// How much of what was to get [lost](Self::lose) did.
    pub fn lost(&self) -> usize {
        self.wire.lost.load(Ordering::SeqCst)
    }

    /// Breaks all connections and refuses new ones.
    pub async fn close(&mut self) {
        self.accepting.abort();
        (&mut self.accepting).await.ok(); // with it go the listener and the connections; the socket stays, and refuses
    }

    /// Takes connections again after it was closed.
    ///
    /// # Panics
    /// When it was not closed.
    pub fn open(&mut self) {
        std::fs::remove_file(socket(&self.url)).expect("the socket of the time before");
        self.accepting = accept(&socket(&self.url), &self.server, &self.wire);
    }

    /// Takes connections again after it was closed, and leads to another server.
    ///
    /// # Panics
    /// When it was not closed, or when the URL leads through no socket.
    pub fn open_to(&mut self, url: &str) {
        self.server = socket(url);
        self.open();
    }
}

impl Drop for PostgresProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Wire {
    fn to_lose(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, Lost)>> {
        self.to_lose.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to get lost of this statement.
    fn loses(&self, statement: &[u8]) -> Option<Lost> {
        let mut to_lose = self.to_lose();
        let (text, _) = to_lose.front()?;
        if statement.strip_suffix(b"\0") != Some(text.as_bytes()) {
            return None;
        }
        self.lost.fetch_add(1, Ordering::SeqCst);
        to_lose.pop_front().map(|(_, lost)| lost)
    }
}

/// The socket that a URL leads to: `postgres://USER:PASSWORD@localhost:PORT/DATABASE?host=FOLDER`.
fn socket(url: &str) -> PathBuf {
    let folder = url.split("host=").nth(1).expect("Postgres is reached through its socket");
    let port = url.split("localhost:").nth(1).and_then(|rest| rest.split('/').next()).expect("it has a port");
    Path::new(folder).join(format!(".s.PGSQL.{port}"))
}

fn accept(socket: &Path, server: &Path, wire: &Arc<Wire>) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).expect("the socket is free");
    let (server, wire) = (server.to_owned(), Arc::clone(wire));
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            connections.spawn(forward(client, server.clone(), Arc::clone(&wire)));
        }
    })
}

async fn forward(client: UnixStream, server: PathBuf, wire: Arc<Wire>) -> std::io::Result<()> {
    let server = UnixStream::connect(server).await?;
    let Some(delay) = wire.delay.get() else { return talk(client, server, &wire).await };
    let (near, far) = UnixStream::pair()?;
    tokio::select! {
        ended = talk(client, near, &wire) => ended,
        ended = stretch(far, server, *delay) => ended,
    }
}

async fn talk(mut client: UnixStream, mut server: UnixStream, wire: &Wire) -> std::io::Result<()> {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let is_cut = AtomicBool::new(false);
    tokio::select! {
        ended = ask(from_client, to_server, wire, &is_cut) => ended,
        ended = answer(from_server, to_client, wire, &is_cut) => ended,
    }
}

/// Passes on what each says to the other, later.
async fn stretch(mut near: UnixStream, mut server: UnixStream, delay: Duration) -> std::io::Result<()> {
    let (from_near, to_near) = near.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        ended = later(from_near, to_server, delay) => ended,
        ended = later(from_server, to_near, delay) => ended,
    }
}

/// Passes each byte on so long after it came, however many are under way.
async fn later(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, delay: Duration) -> std::io::Result<()> {
    let (departed, mut under_way) = mpsc::unbounded_channel();
    let depart = async move {
        loop {
            let mut bytes = Vec::with_capacity(64 * 1024);
            if from.read_buf(&mut bytes).await? == 0 {
                return std::io::Result::Ok(());
            }
            departed.send((Instant::now() + delay, bytes)).ok();
        }
    };
    let arrive = async {
        while let Some((due, bytes)) = under_way.recv().await {
            sleep_until(due).await;
            to.write_all(&bytes).await?;
        }
        Ok(())
    };
    tokio::try_join!(depart, arrive).map(drop)
}

/// Passes the client's messages on, one by one.
async fn ask(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    wire: &Wire,
    is_cut: &AtomicBool,
) -> std::io::Result<()> {
    let mut is_startup = true; // the first message has no type
    loop {
        let kind = if is_startup { None } else { Some(from.read_u8().await?) };
        let length = from.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await?;
        match kind.filter(|kind| *kind == b'Q').and_then(|_| wire.loses(&body)) {
            None => {}
            Some(Lost::Statement) => return Ok(()),
            Some(Lost::Answer) => is_cut.store(true, Ordering::SeqCst),
        }
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
async fn answer(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    wire: &Wire,
    is_cut: &AtomicBool,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        let is_lost = is_cut.load(Ordering::SeqCst) || wire.lose_next.swap(false, Ordering::SeqCst);
        if count == 0 || is_lost {
            return Ok(());
        }
        to.write_all(&bytes[..count]).await?;
    }
}
