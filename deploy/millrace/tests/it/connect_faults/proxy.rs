use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on, and can let those that it has go silent without closing them.
pub(super) struct Proxy {
    pub(super) port: u16,
    /// How often the line was cut. A connection from before a cut passes nothing on.
    cuts: watch::Sender<u32>,
    /// The ports that the server knows its connections by.
    ports: Arc<Mutex<Vec<i32>>>,
}

impl Proxy {
    pub(super) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (port, (cuts, cut)) = (listener.local_addr().unwrap().port(), watch::channel(0));
        let ports = Arc::new(Mutex::new(vec![]));
        let known = Arc::clone(&ports);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server, Arc::clone(&known), cut.clone()));
            }
        });
        Self { port, cuts, ports }
    }

    /// Whether the server's connection of this port goes through here.
    pub(super) fn has(&self, port: i32) -> bool {
        self.ports.lock().unwrap().contains(&port)
    }

    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass_on(
    mut client: TcpStream,
    server: SocketAddr,
    ports: Arc<Mutex<Vec<i32>>>,
    mut cut: watch::Receiver<u32>,
) {
    cut.borrow_and_update();
    // A server that refuses is told to the client by closing.
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    ports.lock().unwrap().push(server.local_addr().unwrap().port().into());
    let is_cut = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        changed = cut.changed() => changed.is_ok(),
    };
    if is_cut {
        // Both ends stay open, and nobody listens; until the test is over.
        while cut.changed().await.is_ok() {}
    }
}
