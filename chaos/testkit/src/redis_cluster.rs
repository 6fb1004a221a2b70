use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::eventually;

const PASSWORD: &str = "of-a-test";
const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;
const BOUND: Duration = Duration::from_secs(60);

/// A cluster of Redis that no other test uses: three primaries that share the slots, and a replica of each. It ends with its handle.
#[derive(Debug)]
pub struct RedisCluster {
    /// The primaries first; the replica of each stands three behind it.
    nodes: Vec<Node>,
    _folder: TempDir,
}

#[derive(Debug)]
struct Node {
    port: u16,
    /// Where nodes talk to each other.
    bus_port: u16,
    server: Child,
}

impl RedisCluster {
    /// A cluster whose slots are all served.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let nodes: Vec<Node> =
            free_ports().chunks(2).map(|ports| Node::start(folder.path(), ports)).collect();
        let cluster = Self { nodes, _folder: folder };
        for node in &cluster.nodes {
            eventually("a node answers", BOUND, async || node.ask("PING").await.contains("PONG")).await;
        }
        for (n, primary) in cluster.nodes[..PRIMARIES].iter().enumerate() {
            let (first, end) = (n * SLOTS / PRIMARIES, (n + 1) * SLOTS / PRIMARIES);
            primary.told(&format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1)).await;
            primary.told(&format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1)).await;
        }
        let [first, others @ ..] = cluster.nodes.as_slice() else { unreachable!("there are six") };
        for node in others {
            first.told(&format!("CLUSTER MEET 127.0.0.1 {} {}", node.port, node.bus_port)).await;
        }
        for node in &cluster.nodes {
            let has_met = async || node.ask("CLUSTER INFO").await.contains("cluster_known_nodes:6");
            eventually("the nodes have met", BOUND, has_met).await;
        }
        let (primaries, replicas) = cluster.nodes.split_at(PRIMARIES);
        for (primary, replica) in primaries.iter().zip(replicas) {
            let id = primary.ask("CLUSTER MYID").await;
            let id = id.lines().find(|line| line.len() == 40).expect("a node has an id").to_owned();
            eventually("the replica knows its primary", BOUND, async || {
                replica.ask(&format!("CLUSTER REPLICATE {id}")).await.contains("+OK")
            })
            .await;
        }
        for node in &cluster.nodes {
            let is_ready = async || {
                let (state, role) = (node.ask("CLUSTER INFO").await, node.ask("INFO replication").await);
                state.contains("cluster_state:ok")
                    && (role.contains("role:master") || role.contains("master_link_status:up"))
            };
            eventually("the cluster is whole", BOUND, is_ready).await;
        }
        cluster
    }

    /// Addresses of all nodes, commas between them.
    pub fn url(&self) -> String {
        let url = |node: &Node| format!("redis://:{PASSWORD}@127.0.0.1:{}/", node.port);
        self.nodes.iter().map(url).collect::<Vec<_>>().join(",")
    }

    /// How many keys each primary has.
    pub async fn keys(&self) -> Vec<usize> {
        let mut keys = vec![];
        for node in &self.nodes[..PRIMARIES] {
            let said = node.ask("DBSIZE").await;
            let count = said.lines().find_map(|line| line.strip_prefix(':')).expect("a number");
            keys.push(count.parse().expect("a number"));
        }
        keys
    }

    /// Kills a primary; answers once its replica has taken its place.
    pub async fn fail_over(&mut self, primary: usize) {
        self.nodes[primary].server.kill().await.expect("a node can be killed");
        let replica = &self.nodes[primary + PRIMARIES];
        eventually("the replica takes over", BOUND, async || {
            let (state, role) = (replica.ask("CLUSTER INFO").await, replica.ask("INFO replication").await);
            state.contains("cluster_state:ok") && role.contains("role:master")
        })
        .await;
    }
}

impl Node {
    fn start(folder: &std::path::Path, ports: &[u16]) -> Self {
        let (port, bus_port) = (ports[0].to_string(), ports[1].to_string());
        let folder = folder.join(&port);
        std::fs::create_dir(&folder).expect("a folder can be made");
        let settings = [
            ("--bind", "127.0.0.1"),
            ("--port", &port),
            ("--cluster-port", &bus_port),
            ("--cluster-enabled", "yes"),
            ("--cluster-node-timeout", "2000"),
            ("--requirepass", PASSWORD),
            ("--masterauth", PASSWORD),
            ("--appendonly", "yes"),
            ("--save", ""),
        ];
        let server = Command::new("redis-server")
            .args(settings.into_iter().flat_map(|(name, value)| [name, value]))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Redis is installed");
        Self { port: ports[0], bus_port: ports[1], server }
    }

    /// What it says to a command; nothing if it is not there.
    async fn ask(&self, command: &str) -> String {
        let talk = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.write_all(format!("AUTH {PASSWORD}\r\n{command}\r\nQUIT\r\n").as_bytes()).await?;
            let mut said = String::new();
            stream.read_to_string(&mut said).await?;
            std::io::Result::Ok(said)
        };
        talk.await.unwrap_or_default()
    }

    /// Tells it something that it has to do.
    async fn told(&self, command: &str) {
        let said = self.ask(command).await;
        assert!(!said.contains("-ERR"), "{command}: {said}");
    }
}

/// Ports that nobody has, two for each node.
fn free_ports() -> Vec<u16> {
    let bound: Vec<TcpListener> =
        (0..4 * PRIMARIES).map(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a port is free")).collect();
    bound.iter().map(|it| it.local_addr().expect("it is bound").port()).collect()
}
