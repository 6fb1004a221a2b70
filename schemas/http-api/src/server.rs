//! HTTP/1 over TCP with a bound on everything that a client could drag out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::HttpConfig;

/// The longest request line and headers together, and the buffer per connection; a token takes at most half of it.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The most headers of one request.
const HEADERS_MAX: usize = 64;

/// How long to wait when the system gives no more connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The listening side of the API.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    connections: Arc<Semaphore>,
    arrival_max: Duration,
    drain_max: Duration,
}

impl Server {
    /// Binds an address.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: SocketAddr, config: &HttpConfig) -> std::io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(address).await?,
            connections: Arc::new(Semaphore::new(config.api_connections_max as usize)),
            arrival_max: config.arrival_max(),
            drain_max: config.drain_max(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then finishes the requests that were accepted, for a bounded time. Answers how many
    /// connections had to be cut.
    pub async fn serve(self, routes: Router, stop: CancellationToken) -> usize {
        self.serve_current(watch::channel(routes).1, stop).await
    }

    /// The same of routes that may be exchanged meanwhile: every request has those that are current when it comes.
    pub async fn serve_current(self, routes: watch::Receiver<Router>, stop: CancellationToken) -> usize {
        let (tracker, cut) = (TaskTracker::new(), CancellationToken::new());
        while let Some((stream, permit)) = self.accept(&stop).await {
            let connection = serve_connection(stream, routes.clone(), self.arrival_max, stop.clone());
            let cut = cut.clone();
            tracker.spawn(async move {
                tokio::select! {
                    () = connection => (),
                    () = cut.cancelled() => (),
                }
                drop(permit);
            });
        }
        drop(self.listener); // nobody else is let in
        tracker.close();
        if tokio::time::timeout(self.drain_max, tracker.wait()).await.is_err() {
            let left = tracker.len();
            tracing::warn!(connections = left, "cutting connections that did not finish in time");
            cut.cancel();
            tracker.wait().await;
            return left;
        }
        0
    }

    /// The next client, as soon as there is room for one; none after `stop`.
    async fn accept(&self, stop: &CancellationToken) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        loop {
            let accepted = async {
                let permit =
                    self.connections.clone().acquire_owned().await.expect("the semaphore is never closed");
                (self.listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepted => accepted,
                () = stop.cancelled() => return None,
            };
            match accepted {
                Ok((stream, _)) => return Some((stream, permit)),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// One client, until it goes, or until `stop` and the answer to what it has asked by then.
async fn serve_connection(
    stream: TcpStream,
    routes: watch::Receiver<Router>,
    arrival_max: Duration,
    stop: CancellationToken,
) {
    // A small answer must not wait for the client's acknowledgement of the one before it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let current = service_fn(move |request| TowerToHyperService::new(routes.borrow().clone()).call(request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(arrival_max)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), current);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
