use std::process::Command;

use super::{Program, World};

/// A stack that goes with this, also when the test fails.
pub(crate) struct OwnStack {
    pub(crate) world: World,
    _purge: Purge,
}

impl OwnStack {
    pub(crate) async fn raise(purpose: &str) -> Self {
        Self::raised_by(|program| program, purpose).await
    }

    /// By one of its relatives.
    pub(crate) async fn raised_by(relative: impl FnOnce(Program) -> Program, purpose: &str) -> Self {
        let name = format!("{purpose}-{}", std::process::id());
        // Whatever comes of raising it, it is removed.
        let purge = Purge(name.clone());
        let program = relative(Program::on(&name));
        program.done(&["up", "--connect-poll-ms", "20"]).await; // it is idle most of the time
        Self { world: World { program, ..World::named(&name) }, _purge: purge }
    }
}

struct Purge(String);

impl Drop for Purge {
    fn drop(&mut self) {
        let millrace = env!("CARGO_BIN_EXE_millrace");
        let ended = Command::new(millrace).args(["down", "--purge", "--name", &self.0]).output().unwrap();
        if !ended.status.success() {
            eprintln!("the stack {} stays: {ended:?}", self.0);
        }
    }
}
