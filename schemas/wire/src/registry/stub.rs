//! A registry that misbehaves as told: the one thing a real registry cannot be made to do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How it answers one request.
#[derive(Clone)]
pub(super) enum Reply {
    /// With this status and body.
    Says(u16, String),
    /// That the answer is elsewhere.
    Redirects(String),
    /// With fewer bytes than announced.
    BreaksOff(String),
    /// Never.
    Hangs,
}

/// Answers its requests with the given replies in order, the last one for ever.
pub(super) struct Stub {
    pub(super) url: String,
    requests: Arc<AtomicUsize>,
}

impl Stub {
    pub(super) async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (replies, counted) = (Arc::clone(&replies), Arc::clone(&counted));
                tokio::spawn(async move {
                    let next = move || {
                        counted.fetch_add(1, Ordering::SeqCst);
                        let mut replies = replies.lock().unwrap();
                        if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() }
                    };
                    answer(stream, next).await;
                });
            }
        });
        Self { url, requests }
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, next: impl FnOnce() -> Option<Reply>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let mut location = String::new();
    let (status, body, announced) = match next().expect("a stub has a reply") {
        Reply::Says(status, body) => (status, body.clone(), body.len()),
        Reply::Redirects(to) => {
            location = format!("location: {to}\r\n");
            (302, String::new(), 0)
        }
        Reply::BreaksOff(body) => (200, body[..body.len() / 2].to_owned(), body.len()),
        Reply::Hangs => return std::future::pending().await,
    };
    let head =
        format!("HTTP/1.1 {status} so\r\n{location}content-length: {announced}\r\nconnection: close\r\n\r\n");
    if stream.write_all(head.as_bytes()).await.is_ok() && stream.write_all(body.as_bytes()).await.is_ok() {
        stream.shutdown().await.ok();
    }
}
