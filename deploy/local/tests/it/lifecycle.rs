use std::fs;
use std::net::TcpStream;

use local::{Component, Health, Process, RaiseArgs, Stack};
use nix::sys::signal::Signal;
use testkit::OwnStack;

const CHEAP: [Component; 2] = [Component::Postgres, Component::Redis];

async fn raise(stack: &Stack) -> [Process; 2] {
    stack.raise(&RaiseArgs::default()).await.unwrap().only(&CHEAP).await.unwrap();
    CHEAP.map(|component| stack.process(component).unwrap().expect("it is up"))
}

fn ports(stack: &Stack) -> [u16; 2] {
    let env = stack.env().unwrap();
    ["MILLRACE_POSTGRES_PORT", "MILLRACE_REDIS_PORT"].map(|key| env.get(key).unwrap().parse().unwrap())
}

#[tokio::test]
async fn up_starts_only_what_is_missing_and_down_leaves_nothing() {
    let own = OwnStack::new("lifecycle");
    let stack = &own.stack;
    let first = raise(stack).await;
    assert_eq!(raise(stack).await, first, "a second `up` starts nothing");
    let status = stack.status().await.unwrap();
    let up = |component: Component| {
        status.components.iter().any(|c| c.component == component && c.state == Health::Up)
    };
    assert!(CHEAP.into_iter().all(up), "{status}");

    first[1].signal(Signal::SIGTERM);
    assert!(first[1].gone_within(std::time::Duration::from_secs(10)).await);
    let second = raise(stack).await;
    assert_eq!(second[0], first[0], "Postgres was up");
    assert_ne!(second[1], first[1], "Redis was not");

    let before = ports(stack);
    stack.down(false).await.unwrap();
    assert!(second.iter().all(|process| !process.alive()));
    assert!(before.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()));
    let third = raise(stack).await;
    assert_eq!(ports(stack), before, "ports are kept");

    stack.down(true).await.unwrap();
    assert!(third.iter().all(|process| !process.alive()));
    assert!(!stack.root().exists(), "a purged stack has no folder");
    stack.down(true).await.unwrap();
}

#[tokio::test]
async fn what_was_killed_comes_up_again_and_what_nobody_recorded_is_ended() {
    let own = OwnStack::new("killed");
    let stack = &own.stack;
    let killed = raise(stack).await;
    killed.iter().for_each(|process| process.signal(Signal::SIGKILL));
    let again = raise(stack).await;
    assert!(killed.iter().zip(&again).all(|(old, new)| old != new));

    // Whoever started them was killed before it could write down what it started.
    fs::remove_file(stack.root().join("state.json")).unwrap();
    let found = raise(stack).await;
    assert!(again.iter().all(|process| !process.alive()), "two servers on the same data");

    fs::remove_file(stack.root().join("state.json")).unwrap();
    stack.down(false).await.unwrap();
    assert!(found.iter().all(|process| !process.alive()));
}
