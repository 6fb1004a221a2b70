//! Where commands go: to one server, to the primary of several, or to the nodes of a cluster.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo, Slot};
use redis::io::tcp::TcpSettings;
use redis::{
    Arg, AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, Pipeline, RedisError,
    RedisResult, Value, from_redis_value,
};

/// So many keys a server looks at before it answers: it does nothing else meanwhile.
const SCANNED: usize = 1_000;

/// Connections to all there are.
pub(crate) enum Nodes {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Nodes {
    /// Connects to the one address, or to the primary among several; where a cluster's node answers, to all of its nodes.
    pub(crate) async fn connect(addresses: &[ConnectionInfo], timeout: Duration) -> RedisResult<Self> {
        // Answers are waited for one by one; Nagle's algorithm would add its delay to each.
        let tcp = TcpSettings::default().set_nodelay(true);
        let mut tried: FuturesUnordered<_> = addresses
            .iter()
            .map(|address| Node::connect(address.clone().set_tcp_settings(tcp.clone()), timeout))
            .collect();
        let (mut nodes, mut failure) = (vec![], None);
        while let Some(answer) = tried.next().await {
            match answer {
                // Whoever calls tries again, with new connections: what was not answered may have been done.
                Ok(node) if node.is_in_cluster => {
                    let nodes = ClusterClientBuilder::new(addresses.iter().cloned()).tcp_settings(tcp);
                    let nodes =
                        nodes.connection_timeout(timeout).response_timeout(timeout).retries(0).build()?;
                    return nodes.get_async_connection().await.map(Self::Cluster);
                }
                Ok(node) => nodes.push(node),
                Err(error) => failure = Some(error),
            }
        }
        if let [_] = addresses {
            return match nodes.pop() {
                Some(node) => Ok(Self::One(node.connection)),
                None => Err(failure.unwrap_or_else(|| unsettled("no address", String::new()))),
            };
        }
        let (mut primaries, others): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|node| node.is_primary);
        match (primaries.pop(), primaries.pop(), failure) {
            (Some(primary), None, _) => Ok(Self::One(primary.connection)),
            // Which of them is the right one, only who made them so can tell.
            (Some(one), Some(other), _) => {
                Err(unsettled("two servers are primaries", format!("{} and {}", one.address, other.address)))
            }
            (None, _, Some(error)) if others.is_empty() => Err(error),
            (None, ..) => {
                let replicas: Vec<String> = others.into_iter().map(|node| node.address).collect();
                Err(unsettled("none of the servers that answer is a primary", replicas.join(", ")))
            }
        }
    }

    /// Sends commands, each with its key, and answers them one by one, errors too. Those about one slot arrive in their order.
    pub(crate) async fn send<T: FromRedisValue>(
        &mut self,
        commands: Vec<Cmd>,
    ) -> RedisResult<Vec<RedisResult<T>>> {
        let cluster = match self {
            Self::One(node) => return each(commands).query_async(node).await,
            Self::Cluster(cluster) => cluster,
        };
        let mut of_slots: HashMap<Slot, (Vec<usize>, Vec<Cmd>)> = HashMap::new();
        for (place, command) in commands.into_iter().enumerate() {
            let (places, commands) = of_slots.entry(slot_of(&command)).or_default();
            places.push(place);
            commands.push(command);
        }
        let sent = of_slots.into_values().map(|(places, commands)| {
            let mut cluster = cluster.clone();
            async move {
                let answers: Vec<RedisResult<T>> = each(commands).query_async(&mut cluster).await?;
                RedisResult::Ok(places.into_iter().zip(answers))
            }
        });
        let mut answers = vec![];
        for of_slot in join_all(sent).await {
            answers.extend(of_slot?);
        }
        answers.sort_unstable_by_key(|(place, _)| *place);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// The keys of a pattern, each once: SCAN may show one twice.
    pub(crate) async fn keys(&mut self, pattern: &str) -> RedisResult<HashSet<String>> {
        let mut keys = HashSet::new();
        let scan = |cursor: &str| {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCANNED);
            scan
        };
        self.pages(scan, |page: Vec<String>| keys.extend(page)).await?;
        Ok(keys)
    }

    /// What a script says of the keys of a pattern, page by page; it may speak of a key twice. It is sent as it is: one that reads
    /// keys without naming them is no one's slot.
    pub(crate) async fn told(
        &mut self,
        script: &str,
        pattern: &str,
        tell: impl FnMut(String),
    ) -> RedisResult<()> {
        let look = |cursor: &str| {
            let mut look = redis::cmd("EVAL");
            look.arg(script).arg(0).arg(cursor).arg(pattern).arg(SCANNED);
            look
        };
        self.pages(look, tell).await
    }

    /// Asks every server again and again, from where it got to, until it is through.
    async fn pages<T: FromRedisValue>(
        &mut self,
        ask: impl Fn(&str) -> Cmd,
        mut show: impl FnMut(T),
    ) -> RedisResult<()> {
        for server in self.servers().await? {
            let mut cursor = "0".to_owned();
            loop {
                let (next, page): (String, T) = from_redis_value(self.ask(&server, ask(&cursor)).await?)?;
                show(page);
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(())
    }

    /// The one, or those of a cluster that have slots.
    async fn servers(&mut self) -> RedisResult<Vec<SingleNodeRoutingInfo>> {
        let any = SingleNodeRoutingInfo::RandomPrimary;
        if let Self::One(_) = self {
            return Ok(vec![any]);
        }
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        let ranges: Vec<Vec<Value>> = from_redis_value(self.ask(&any, slots).await?)?;
        let mut primaries: HashSet<(String, u16)> = HashSet::new();
        for range in ranges {
            // First slot, last slot, the primary: host, port and what nobody needs here.
            let primary: Vec<Value> = from_redis_value(range.into_iter().nth(2).unwrap_or(Value::Nil))?;
            let [host, port, ..] = primary.as_slice() else { continue };
            primaries.insert((from_redis_value(host.clone())?, from_redis_value(port.clone())?));
        }
        let at = |(host, port)| SingleNodeRoutingInfo::ByAddress { host, port };
        Ok(primaries.into_iter().map(at).collect())
    }

    /// Asks one of the servers something that is about no key.
    async fn ask(&mut self, server: &SingleNodeRoutingInfo, command: Cmd) -> RedisResult<Value> {
        match self {
            Self::One(node) => command.query_async(node).await,
            Self::Cluster(cluster) => {
                cluster.route_command(command, RoutingInfo::SingleNode(server.clone())).await
            }
        }
    }
}

/// A server, and what it says of itself.
struct Node {
    address: String,
    connection: MultiplexedConnection,
    is_in_cluster: bool,
    is_primary: bool,
}

impl Node {
    async fn connect(address: ConnectionInfo, timeout: Duration) -> RedisResult<Self> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout));
        let name = address.addr().to_string();
        let client = Client::open(address)?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&settings).await?;
        let mut about = redis::pipe();
        about.cmd("INFO").arg("cluster").cmd("INFO").arg("replication");
        let (cluster, replication): (String, String) = about.query_async(&mut connection).await?;
        let says = |about: &str, line: &str| about.lines().any(|it| it == line);
        Ok(Self {
            address: name,
            connection,
            is_in_cluster: says(&cluster, "cluster_enabled:1"),
            is_primary: says(&replication, "role:master"),
        })
    }
}

/// Trouble that passes, with those who take part in a fail-over.
fn unsettled(what: &'static str, who: String) -> RedisError {
    RedisError::from((ErrorKind::Io, what, who))
}

/// Commands that are answered one by one, errors too.
fn each(commands: Vec<Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline.ignore_errors();
    pipeline
}

/// Where the first key of a command lies: behind a script and how many keys it has, else behind the command's name.
fn slot_of(command: &Cmd) -> Slot {
    let mut arguments = command.args_iter().filter_map(|argument| match argument {
        Arg::Simple(bytes) => Some(bytes),
        _ => None,
    });
    let key = match arguments.next() {
        Some(b"EVAL" | b"EVALSHA") => arguments.nth(2),
        _ => arguments.next(),
    };
    Slot::for_key(key.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_goes_to_the_slot_of_its_first_key() {
        let mut script = redis::cmd("EVALSHA");
        script.arg("digest").arg(2).arg("counts:{p3}:progress").arg("counts:{p3}:feed").arg(7);
        let mut hash = redis::cmd("HMGET");
        hash.arg("counts:{p3}:row:acme:1").arg("v");
        assert_eq!(slot_of(&script), Slot::for_key("p3"));
        assert_eq!(slot_of(&hash), Slot::for_key("p3"));
    }
}
