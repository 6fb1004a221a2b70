use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::time::sleep;

use crate::stack::recorded_ports;
use crate::topology::Topology;
use crate::{Component, Error, Home, RedisTopology, Result, StackEnv, process};

/// Every port that a stack may have, with the key that records it.
pub(crate) const PORTS: [(Component, &str); 20] = [
    (Component::Postgres, "MILLRACE_POSTGRES_PORT"),
    (Component::PostgresReplica, "MILLRACE_POSTGRES_REPLICA_PORT"),
    (Component::Redis, "MILLRACE_REDIS_PORT"),
    (Component::Redis, "MILLRACE_REDIS_BUS_PORT"),
    (Component::Redis2, "MILLRACE_REDIS2_PORT"),
    (Component::Redis2, "MILLRACE_REDIS2_BUS_PORT"),
    (Component::Redis3, "MILLRACE_REDIS3_PORT"),
    (Component::Redis3, "MILLRACE_REDIS3_BUS_PORT"),
    (Component::Redis4, "MILLRACE_REDIS4_PORT"),
    (Component::Redis4, "MILLRACE_REDIS4_BUS_PORT"),
    (Component::Redis5, "MILLRACE_REDIS5_PORT"),
    (Component::Redis5, "MILLRACE_REDIS5_BUS_PORT"),
    (Component::Redis6, "MILLRACE_REDIS6_PORT"),
    (Component::Redis6, "MILLRACE_REDIS6_BUS_PORT"),
    (Component::Kafka, "MILLRACE_KAFKA_PORT"),
    (Component::Kafka, "MILLRACE_KAFKA_INTERNAL_PORT"),
    (Component::Kafka, "MILLRACE_KAFKA_CONTROLLER_PORT"),
    (Component::Registry, "MILLRACE_REGISTRY_PORT"),
    (Component::Registry, "MILLRACE_REGISTRY_MANAGEMENT_PORT"),
    (Component::Connect, "MILLRACE_CONNECT_PORT"),
];

/// The ports of one component, its main one first.
pub(crate) fn of(env: &StackEnv, component: Component) -> Vec<u16> {
    let own = PORTS.iter().filter(|(owner, _)| *owner == component);
    own.filter_map(|(_, key)| env.get(key)?.parse().ok()).collect()
}

/// Gives a port to every key that has none yet: free now, and recorded by no other stack of this home.
pub(crate) fn assign(env: &mut StackEnv, home: &Home) -> Result<()> {
    let mut taken = recorded_by_all(home);
    let topology = Topology::of(env);
    let components: Vec<Component> = topology.components().collect();
    for (component, key) in PORTS {
        let is_used = topology.redis == RedisTopology::Cluster || !key.ends_with("BUS_PORT");
        if is_used && components.contains(&component) && env.get(key).is_none() {
            let port = free_port(&taken)?;
            taken.insert(port);
            env.set(key, port.to_string());
        }
    }
    Ok(())
}

/// Drops the record of all ports, so that others are chosen.
pub(crate) fn forget(env: &mut StackEnv) {
    for (_, key) in PORTS {
        env.remove(key);
    }
}

fn recorded_by_all(home: &Home) -> BTreeSet<u16> {
    let stacks = fs::read_dir(&home.data).into_iter().flatten().flatten();
    stacks.flat_map(|stack| recorded_ports(&stack.path().join("stack.env"))).collect()
}

/// A port below those that the system hands to outgoing connections, so that none of them takes it while the stack
/// is down.
fn free_port(taken: &BTreeSet<u16>) -> Result<u16> {
    const LOW: u16 = 15_000;
    const TRIES: usize = 1000;
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let outgoing_low = range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(32_768);
    let high = if outgoing_low > LOW + 1000 { outgoing_low } else { 60_000 };
    let mut random = rand::rng();
    let tries = (0..TRIES).map(|_| random.random_range(LOW..high));
    tries.into_iter().find(|port| !taken.contains(port) && is_free(*port)).ok_or(Error::NoPort(LOW, high))
}

pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// An error when somebody else listens on a port that a component is about to take. One whose holder was just killed
/// comes free a moment later, when the last of its threads has ended.
pub(crate) async fn await_free(env: &StackEnv, component: Component) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(3);
    const PAUSE: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match check_free(env, component) {
            Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
            checked => return checked,
        }
    }
}

/// An error when somebody else listens on a port of a component.
pub(crate) fn check_free(env: &StackEnv, component: Component) -> Result<()> {
    match of(env, component).into_iter().find(|port| !is_free(*port)) {
        Some(port) => Err(Error::PortTaken { component, port, holder: holder(port) }),
        None => Ok(()),
    }
}

/// Who listens on a port, as far as the system tells this user.
pub(crate) fn holder(port: u16) -> String {
    let listener = |socket: &u64| {
        process::pids().find(|pid| {
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            let mut inodes = descriptors.filter_map(|fd| fs::metadata(fd.path()).ok()).map(|meta| meta.ino());
            inodes.any(|inode| inode == *socket)
        })
    };
    match listening_sockets(port).iter().find_map(listener) {
        Some(pid) => {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("process {pid} ({})", name.trim())
        }
        None => "a process of another user".to_owned(),
    }
}

/// The inodes of the sockets that listen on a port, from proc(5) `net/tcp`: address and port in hexadecimal,
/// state 0A, inode in the tenth column.
fn listening_sockets(port: u16) -> Vec<u64> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let wanted = format!(":{port:04X}");
    let inode = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let listens = columns.get(1)?.ends_with(&wanted) && *columns.get(3)? == "0A";
        if listens { columns.get(9)?.parse().ok() } else { None }
    };
    tables.iter().flat_map(|table| table.lines().filter_map(inode)).collect()
}
