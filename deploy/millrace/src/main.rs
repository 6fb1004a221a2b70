//! The one binary: see `millrace --help`.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    millrace::main(millrace::Program::reference()).await
}
