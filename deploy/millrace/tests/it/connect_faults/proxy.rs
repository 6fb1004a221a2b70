use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on, and can let those that it has go silent without closing them.
pub(super) struct Proxy {
    pub(super) port: u16,
    /// How often the line was cut. A connection from before a cut passes nothing on.
    cuts: watch::Sender<u32>,
    connections: Arc<AtomicU32>,
}

impl Proxy {
    pub(super) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (port, (cuts, cut)) = (listener.local_addr().unwrap().port(), watch::channel(0));
        let connections = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass_on(client, server, cut.clone()));
            }
        });
        Self { port, cuts, connections }
    }

    pub(super) fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr, mut cut: watch::Receiver<u32>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    cut.borrow_and_update();
    let is_cut = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        changed = cut.changed() => changed.is_ok(),
    };
    if is_cut {
        // Both ends stay open, and nobody listens; until the test is over.
        while cut.changed().await.is_ok() {}
    }
}
