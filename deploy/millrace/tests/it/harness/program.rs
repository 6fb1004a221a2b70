use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

/// No command of these tests takes longer, raising a stack included.
const LONGEST: Duration = Duration::from_secs(150);

/// The program, told to work on one stack.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    executable: PathBuf,
    stack: String,
}

/// What came of running it.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn on(stack: &str) -> Self {
        Self { executable: env!("CARGO_BIN_EXE_millrace").into(), stack: stack.to_owned() }
    }

    /// The program of the example `tickets`, which lies beside it.
    pub(crate) fn tickets(self) -> Self {
        Self { executable: self.executable.with_file_name("examples/tickets"), ..self }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(arguments).env("MILLRACE_STACK", &self.stack);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        finish(self.start(arguments), arguments).await
    }

    /// Runs it to its end, which has to be a good one; answers what it printed.
    pub(crate) async fn done(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "millrace {}: {ran:?}", arguments.join(" "));
        ran.stdout
    }

    /// Begins to run it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }
}

/// Waits for the end of something that was begun.
pub(crate) async fn finish(child: Child, arguments: &[&str]) -> Ran {
    let output = tokio::time::timeout(LONGEST, child.wait_with_output()).await;
    let output =
        output.unwrap_or_else(|_| panic!("millrace {} takes too long", arguments.join(" "))).unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// What it printed, as JSON, one object a line.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let read = |line: &str| serde_json::from_str(line);
        self.stdout.lines().map(|line| read(line).unwrap_or_else(|_| panic!("no JSON: {self:?}"))).collect()
    }

    /// What it printed, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON, {error}: {self:?}"))
    }
}
