use std::os::unix::fs::PermissionsExt;

use local::{Component, Home, RaiseArgs, Stack};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// A stack in a home of its own, whose servers a test may kill; purged at the end, also when the test panics.
#[derive(Debug)]
pub struct OwnStack {
    /// The stack, of which nothing runs at first.
    pub stack: Stack,
    _folder: TempDir,
}

impl OwnStack {
    /// One of which nothing runs.
    ///
    /// # Panics
    /// When there is no room for it.
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // As root, Postgres runs under an account of its own and must reach its data.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).expect("it is ours");
        let home = Home { data: folder.path().to_owned(), cache: Home::of_the_caller().cache };
        Self { stack: Stack::open_at(name, home).expect("a good name"), _folder: folder }
    }

    /// Starts those of these servers that do not run.
    ///
    /// # Panics
    /// When one does not start.
    pub async fn start(&self, servers: &[Component], args: &RaiseArgs) {
        let raising = self.stack.raise(args).await.expect("it can be raised");
        raising.only(servers).await.expect("its servers start");
    }

    /// One of its connection facts.
    ///
    /// # Panics
    /// When there is no such fact.
    pub fn fact(&self, key: &str) -> String {
        let env = self.stack.env().expect("it was raised");
        env.get(key).unwrap_or_else(|| panic!("no {key}")).to_owned()
    }

    /// Kills a server.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&self, server: Component) {
        let process = self.stack.process(server).expect("what runs is known").expect("it runs");
        process.signal(Signal::SIGKILL);
        assert!(process.gone_within(std::time::Duration::from_secs(10)).await, "{server} lives");
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        let stack = self.stack.clone();
        let down = move || tokio::runtime::Runtime::new().expect("a runtime").block_on(stack.down(true));
        std::thread::spawn(down).join().expect("no panic").expect("an end of its processes");
    }
}
