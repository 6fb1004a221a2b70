use std::fs;
use std::net::TcpListener;

use local::{Component, Error, Health, Home, Process, RaiseArgs, Stack};
use testkit::OwnStack;

/// Writes a file of a stack that was not raised yet.
fn plant(stack: &Stack, file: &str, content: &str) {
    let path = stack.root().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn a_pid_that_was_given_again_is_not_ours() {
    let own = OwnStack::new("reused");
    let me = Process::find(std::process::id().cast_signed()).unwrap();
    assert!(me.alive());
    let other = Process { start_time: me.start_time + 1, ..me.clone() };
    assert!(!other.alive());

    // Recorded is this very process, as if Redis had had its pid before: `down` must not end it.
    let process = serde_json::to_string(&other).unwrap();
    let state = format!(r#"{{"components":{{"redis":{{"process":{process},"version":"7","since":0}}}}}}"#);
    plant(&own.stack, "state.json", &state);
    plant(&own.stack, "stack.env", "MILLRACE_REDIS_PORT=1\n");
    let status = own.stack.status().await.unwrap();
    assert_eq!(status.components[1].state, Health::Died);
    own.stack.down(false).await.unwrap();
    assert!(me.alive());
    assert_eq!(own.stack.status().await.unwrap().components[1].state, Health::Down);
}

#[tokio::test]
async fn an_occupied_port_names_the_port_and_its_holder() {
    let own = OwnStack::new("occupied");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    plant(&own.stack, "stack.env", &format!("MILLRACE_REDIS_PORT={port}\n"));

    let error =
        own.stack.raise(&RaiseArgs::default()).await.unwrap().only(&[Component::Redis]).await.unwrap_err();

    let said = error.to_string();
    assert!(matches!(error, Error::PortTaken { component: Component::Redis, .. }), "{said}");
    assert!(said.contains(&port.to_string()) && said.contains(&std::process::id().to_string()), "{said}");
    let diagnosis = own.stack.examine().await.unwrap().to_string();
    assert!(diagnosis.contains(&format!("port {port} of redis is taken")), "{diagnosis}");

    own.stack
        .raise(&RaiseArgs { new_ports: true, ..RaiseArgs::default() })
        .await
        .unwrap()
        .only(&[Component::Redis])
        .await
        .expect("new ports were asked for");
}

#[tokio::test]
async fn a_component_that_dies_at_its_start_is_named_with_the_end_of_its_log() {
    let own = OwnStack::new("dies");
    plant(&own.stack, "redis/appendonlydir/appendonly.aof.manifest", "this is no manifest\n");

    let error =
        own.stack.raise(&RaiseArgs::default()).await.unwrap().only(&[Component::Redis]).await.unwrap_err();

    let said = error.to_string();
    assert!(matches!(error, Error::Died { component: Component::Redis, .. }), "{said}");
    assert!(said.contains("redis.log") && said.contains("manifest"), "{said}");
    assert!(own.stack.process(Component::Redis).unwrap().is_none());
}

#[test]
fn a_name_that_could_leave_its_folder_is_refused() {
    for name in ["", "..", "a/b", "Upper", "9lives", "-x", &"long".repeat(9)] {
        assert!(matches!(Stack::open(name), Err(Error::Name(_))), "{name:?} was taken");
    }
    let deep = Home { data: "/deep".repeat(30).into(), cache: "/tmp".into() };
    assert!(matches!(Stack::open_at("a", deep), Err(Error::PathTooLong(_))));
}

#[tokio::test]
async fn a_stack_that_was_never_raised_is_named() {
    let own = OwnStack::new("never");
    let error = own.stack.status().await.unwrap_err();
    assert!(error.to_string().contains("millrace up --name never"), "{error}");
    own.stack.down(false).await.expect("nothing to end");
}
