//! A way to Redis on which answers can get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use projection_redis::RedisConfig;

/// Forwards what clients ask; forwards answers unless it is mute.
pub(crate) struct Proxy {
    url: String,
    mute: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn before(redis_url: &str) -> Self {
        let (secret, host) = redis_url.rsplit_once('@').unwrap();
        let host = host.trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{secret}@{}/", listener.local_addr().unwrap());
        let mute = Arc::new(AtomicBool::new(false));
        let muted = Arc::clone(&mute);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&host).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&muted)));
            }
        });
        Self { url, mute }
    }

    pub(crate) fn config(&self, like: &RedisConfig) -> RedisConfig {
        RedisConfig { url: self.url.clone(), ..like.clone() }
    }

    pub(crate) fn mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::SeqCst);
    }
}

async fn forward(client: TcpStream, server: TcpStream, mute: Arc<AtomicBool>) {
    let (mut questions, mut answers_out) = client.into_split();
    let (mut answers, mut questions_out) = server.into_split();
    tokio::spawn(async move { copy(&mut questions, &mut questions_out).await });
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = answers.read(&mut buffer).await {
        if !mute.load(Ordering::SeqCst) && answers_out.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
