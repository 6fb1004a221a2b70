//! `/livez`, `/readyz` and `/metrics` over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Whether a role is ready, and if not, why not.
pub type Probe = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The health endpoint of one process.
pub struct Health {
    listener: TcpListener,
    registry: Registry,
    ready: Probe,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// The endpoint could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen for health checks on {address}")]
pub struct Error {
    /// The address asked for.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    pub source: std::io::Error,
}

impl Health {
    /// Binds `address` (port 0: any free one).
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: SocketAddr, registry: Registry, ready: Probe) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await.map_err(|source| Error { address, source })?;
        Ok(Self { listener, registry, ready })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `shutdown`.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self, shutdown: CancellationToken) -> std::io::Result<()> {
        let state = Arc::new((self.registry, self.ready));
        let routes = Router::new()
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(state);
        axum::serve(self.listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
    }
}

type Shared = State<Arc<(Registry, Probe)>>;

async fn readyz(State(state): Shared) -> impl IntoResponse {
    match (state.1)() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn metrics(State(state): Shared) -> impl IntoResponse {
    match TextEncoder::new().encode_to_string(&state.0.gather()) {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            format!("failed to encode the metrics: {error}\n"),
        ),
    }
}
