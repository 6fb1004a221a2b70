//! The local stack, with real servers where they are cheap: Postgres and Redis in a home of each test's own.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

mod lifecycle;
mod lock;
mod secrets;
mod trouble;

use std::os::unix::fs::PermissionsExt;

use local::{Home, Stack};
use tempfile::TempDir;

/// A stack in a home of its own; purged at the end, also when the test panics.
struct OwnStack {
    stack: Stack,
    _folder: TempDir,
}

impl OwnStack {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // As root, Postgres runs under an account of its own and must reach its data.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).expect("it is ours");
        let home = Home { data: folder.path().to_owned(), cache: Home::of_the_caller().cache };
        Self { stack: Stack::open_at(name, home).expect("a good name"), _folder: folder }
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        let stack = self.stack.clone();
        let down = move || tokio::runtime::Runtime::new().expect("a runtime").block_on(stack.down(true));
        std::thread::spawn(down).join().expect("no panic").expect("an end of its processes");
    }
}
