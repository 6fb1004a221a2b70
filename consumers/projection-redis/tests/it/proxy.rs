//! A way to Redis on which answers can get lost, and that can be closed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use projection_redis::RedisConfig;

/// Forwards what clients ask; forwards answers unless it is mute.
pub(crate) struct Proxy {
    url: String,
    host: String,
    wire: Arc<Wire>,
    /// Bound, and not listened on: connections are refused.
    closed: Option<TcpSocket>,
}

#[derive(Default)]
struct Wire {
    mute: AtomicBool,
    /// The first flush of several scripts is cut behind one of them.
    cuts_flush: AtomicBool,
    /// It was; nobody comes through any more.
    is_cut: AtomicBool,
}

impl Proxy {
    pub(crate) async fn before(redis_url: &str) -> Self {
        let mut proxy = Self::closed(redis_url);
        proxy.open();
        proxy
    }

    /// A way that is closed until it is opened.
    pub(crate) fn closed(redis_url: &str) -> Self {
        let (secret, host) = redis_url.rsplit_once('@').unwrap();
        let host = host.trim_end_matches('/').to_owned();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("{secret}@{}/", socket.local_addr().unwrap());
        Self { url, host, wire: Arc::default(), closed: Some(socket) }
    }

    pub(crate) fn open(&mut self) {
        let listener = self.closed.take().unwrap().listen(64).unwrap();
        let (host, wire) = (self.host.clone(), Arc::clone(&self.wire));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !wire.is_cut.load(Ordering::SeqCst) {
                    let server = TcpStream::connect(&host).await.unwrap();
                    tokio::spawn(forward(client, server, Arc::clone(&wire)));
                }
            }
        });
    }

    pub(crate) fn config(&self, like: &RedisConfig) -> RedisConfig {
        RedisConfig { url: self.url.clone(), ..like.clone() }
    }

    pub(crate) fn mute(&self, mute: bool) {
        self.wire.mute.store(mute, Ordering::SeqCst);
    }

    /// Lets one script of the next flush of several through, and from then on nothing.
    pub(crate) fn cut_flush(&self) {
        self.wire.cuts_flush.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.wire.is_cut.load(Ordering::SeqCst)
    }
}

async fn forward(client: TcpStream, server: TcpStream, wire: Arc<Wire>) {
    let (questions, mut answers_out) = client.into_split();
    let (mut answers, questions_out) = server.into_split();
    tokio::spawn(ask(questions, questions_out, Arc::clone(&wire)));
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = answers.read(&mut buffer).await {
        let is_lost = wire.mute.load(Ordering::SeqCst) || wire.is_cut.load(Ordering::SeqCst);
        if !is_lost && answers_out.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Passes commands on, one by one. When it ends the server has got all that was passed on, and answers it.
async fn ask(questions: OwnedReadHalf, mut server: OwnedWriteHalf, wire: Arc<Wire>) -> io::Result<()> {
    let mut questions = BufReader::new(questions);
    loop {
        let (bytes, words) = command(&mut questions).await?;
        server.write_all(&bytes).await?;
        if wire.cuts_flush.load(Ordering::SeqCst) && has_more_to_come(&words) {
            wire.is_cut.store(true, Ordering::SeqCst);
            return Ok(());
        }
    }
}

/// A command's bytes, and its words.
async fn command(from: &mut BufReader<OwnedReadHalf>) -> io::Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let (mut bytes, mut words) = (Vec::new(), Vec::new());
    for _ in 0..number(from, &mut bytes).await? {
        let length = number(from, &mut bytes).await?;
        let at = bytes.len();
        bytes.resize(at + length + 2, 0);
        from.read_exact(&mut bytes[at..]).await?;
        words.push(bytes[at..at + length].to_vec());
    }
    Ok((bytes, words))
}

/// The number in the next line, behind the sign that says what it counts.
async fn number(from: &mut BufReader<OwnedReadHalf>, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let at = bytes.len();
    if from.read_until(b'\n', bytes).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = std::str::from_utf8(&bytes[at + 1..]).unwrap();
    Ok(line.trim_end().parse().unwrap())
}

/// Whether this is a script of a flush, and not its last: its fourth argument behind the keys says so.
fn has_more_to_come(words: &[Vec<u8>]) -> bool {
    let keys = words.get(2).and_then(|count| std::str::from_utf8(count).ok()?.parse::<usize>().ok());
    let arguments = keys.and_then(|keys| words.get(3 + keys..)).unwrap_or_default();
    words[0] == b"EVALSHA" && arguments.len() >= 8 && arguments[3] == b"0"
}
