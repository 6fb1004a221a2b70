//! Redis: everything it answered is in its append-only file within a second. One server, a primary with its replica, or a cluster.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

use crate::files::{make_folder, write_private};
use crate::process::{Launch, run};
use crate::topology::Topology;
use crate::{Component, Error, RedisTopology, Result, Stack, StackEnv, ports};

const CONFIG: &str = include_str!("../config/redis.conf");
const CLUSTER: &str = include_str!("../config/redis-cluster.conf");

/// The server's program.
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    program: PathBuf,
}

impl Redis {
    pub(crate) fn installed() -> Option<Self> {
        let program = PathBuf::from("/usr/bin/redis-server");
        program.exists().then_some(Self { program })
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.program.clone()
    }

    pub(crate) async fn version(&self) -> Result<String> {
        let printed = run(Command::new(&self.program).arg("--version"), "").await?;
        let version = printed.split_whitespace().find_map(|word| word.strip_prefix("v="));
        Ok(version.unwrap_or("?").to_owned())
    }

    pub(crate) async fn prepare(&self, stack: &Stack, env: &StackEnv, node: Component) -> Result<Launch> {
        let folder = stack.folder(node);
        make_folder(&folder, 0o700)?;
        let ports = ports::of(env, node);
        let role = match Topology::of(env).redis {
            RedisTopology::Single => String::new(),
            RedisTopology::Cluster => CLUSTER.replace("{bus_port}", &ports[1].to_string()),
            RedisTopology::Replica => {
                let primary = primary_of(env, node).await;
                primary
                    .map(|it| format!("replicaof 127.0.0.1 {}\n", ports::of(env, it)[0]))
                    .unwrap_or_default()
            }
        };
        let config = format!("{CONFIG}\n{role}")
            .replace("{port}", &ports[0].to_string())
            .replace("{password}", env.get("MILLRACE_REDIS_PASSWORD").unwrap_or_default())
            .replace("{folder}", &folder.display().to_string());
        write_private(&folder.join("redis.conf"), &config)?;
        let args = vec![folder.join("redis.conf").display().to_string()];
        Ok(Launch { program: self.program(), args, folder, log: stack.log(node), account: None })
    }

    /// Whether it answers a ping: while it loads its file it answers everything with an error.
    pub(crate) async fn probe(env: &StackEnv, node: Component) -> Result<()> {
        let answer = ask(env, node, "PING").await?;
        if answer.contains("+PONG") { Ok(()) } else { Err(refused("a ping of Redis", answer)) }
    }
}

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120); // it may have a long file to load

/// Of two servers, the one that a server is to replicate; none if it is the primary itself. The second is, unless the first
/// says that it replicates the second; the first is not, unless the second says that it is a primary.
async fn primary_of(env: &StackEnv, node: Component) -> Option<Component> {
    let is =
        async |other, role| ask(env, other, "INFO replication").await.is_ok_and(|said| said.contains(role));
    match node {
        Component::Redis => is(Component::Redis2, "role:master").await.then_some(Component::Redis2),
        _ => (!is(Component::Redis, "role:slave").await).then_some(Component::Redis),
    }
}

/// Makes one of the servers that were started on their own: waits until the replica has what the primary has, or until all
/// slots of the cluster are served. Whatever was done before, or cut short, is gone on from.
pub(crate) async fn join(env: &StackEnv) -> Result<()> {
    match Topology::of(env).redis {
        RedisTopology::Single => Ok(()),
        RedisTopology::Replica => {
            let replicates = async || {
                let said = [
                    ask(env, Component::Redis, "INFO replication").await?,
                    ask(env, Component::Redis2, "INFO replication").await?,
                ];
                Ok(said.iter().any(|it| it.contains("master_link_status:up")))
            };
            within("the replica of Redis", replicates).await
        }
        RedisTopology::Cluster => make_cluster(env).await,
    }
}

const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;

async fn make_cluster(env: &StackEnv) -> Result<()> {
    let nodes = Component::REDIS;
    for (n, primary) in nodes[..PRIMARIES].iter().enumerate() {
        let known = ask(env, *primary, "CLUSTER NODES").await?;
        let knows_itself_alone =
            known.lines().filter(|line| line.split(' ').next().is_some_and(is_id)).count() == 1;
        if knows_itself_alone && !has_slots(&known) {
            let (first, end) = (n * SLOTS / PRIMARIES, (n + 1) * SLOTS / PRIMARIES);
            ask(env, *primary, &format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1)).await?; // refused if it has one
            tell(env, *primary, &format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1)).await?;
        }
    }
    for node in &nodes[1..] {
        let [port, bus_port] = ports::of(env, *node)[..] else { continue };
        tell(env, nodes[0], &format!("CLUSTER MEET 127.0.0.1 {port} {bus_port}")).await?;
    }
    let have_met = async || {
        let mut met = true;
        for node in nodes {
            met &= ask(env, node, "CLUSTER INFO").await?.contains("cluster_known_nodes:6\r");
        }
        Ok(met)
    };
    within("the nodes of Redis that are to meet", have_met).await?;
    for (primary, replica) in nodes.iter().zip(&nodes[PRIMARIES..]) {
        let id = ask(env, *primary, "CLUSTER MYID").await?;
        let id = id.lines().find(|line| is_id(line)).unwrap_or_default().to_owned();
        let is_replica = async || {
            let known = ask(env, *replica, "CLUSTER NODES").await?;
            let own = own_line(&known);
            // Where it has taken its primary's place, the other has become its replica, or will.
            if own.contains("slave") || has_slots(&known) {
                return Ok(true);
            }
            // Refused until it has heard of its primary.
            ask(env, *replica, &format!("CLUSTER REPLICATE {id}"))
                .await
                .map(|said| said.contains("+OK\r\n+OK"))
        };
        within("a replica in the cluster of Redis", is_replica).await?;
    }
    let is_whole = async || {
        let mut whole = true;
        for node in nodes {
            let (state, role) =
                (ask(env, node, "CLUSTER INFO").await?, ask(env, node, "INFO replication").await?);
            whole &= state.contains("cluster_state:ok")
                && (role.contains("role:master") || role.contains("master_link_status:up"));
        }
        Ok(whole)
    };
    within("the cluster of Redis", is_whole).await
}

fn is_id(word: &str) -> bool {
    word.len() == 40
}

/// What a node says of itself among those it knows.
fn own_line(known: &str) -> &str {
    known.lines().find(|line| line.contains("myself")).unwrap_or_default()
}

/// Whether a node serves slots: they stand behind the eight words that each line has.
fn has_slots(known: &str) -> bool {
    own_line(known).split_whitespace().count() > 8
}

/// Tries until something is so; a server that does not answer may be on its way.
async fn within(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    const BOUND: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(50);
    let begun = Instant::now();
    loop {
        match is_so().await {
            Ok(true) => return Ok(()),
            Ok(false) if begun.elapsed() > BOUND => {
                return Err(refused(what, format!("not ready within {BOUND:?}")));
            }
            Err(error) if begun.elapsed() > BOUND => return Err(error),
            _ => sleep(PAUSE).await,
        }
    }
}

/// Tells a server something that it has to do.
async fn tell(env: &StackEnv, node: Component, command: &str) -> Result<()> {
    let said = ask(env, node, command).await?;
    if said.contains("-ERR") { Err(refused(command, said)) } else { Ok(()) }
}

/// What a server says to a command, behind what it says to the password.
async fn ask(env: &StackEnv, node: Component, command: &str) -> Result<String> {
    let port = ports::of(env, node).first().copied().unwrap_or_default();
    let password = env.get("MILLRACE_REDIS_PASSWORD").unwrap_or_default();
    let talk = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(format!("AUTH {password}\r\n{command}\r\nQUIT\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    talk.await.map_err(Error::run(&format!("a talk with {node}")))
}

fn refused(what: &str, said: String) -> Error {
    Error::Failed { program: what.to_owned(), status: "not as asked".to_owned(), output: said }
}
