//! `tickets open TITLE`, and every command of `millrace` for tickets.

mod open;
mod ticket;
mod view;

use std::process::ExitCode;

use millrace::{InPostgres, Program, Tables};

use crate::view::TicketsPostgres;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|command| command == "open") {
        return match open::open(arguments).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let tickets = InPostgres::<TicketsPostgres>::new(
        "Open tickets",
        Tables { view: "ticket", totals: None },
        &[include_str!("../definition/ticket.sql")],
        "tickets",
    );
    millrace::main(Program::new(include_str!("../topics.yaml")).in_postgres(tickets)).await
}
