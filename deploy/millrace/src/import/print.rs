//! What an import says.

use std::cell::RefCell;

use comfy_table::Table;
use import::{Counts, Rejected};
use serde_json::{Value, json};

/// Rows of one table, so that a list of any length is printed as it comes.
const PAGE: usize = 1_000;

/// Lists refused rows: as tables, or one JSON object a line.
#[derive(Debug)]
pub(crate) struct Rejections {
    json: bool,
    page: RefCell<Vec<Rejected>>,
}

impl Rejections {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, page: RefCell::default() }
    }

    pub(crate) fn tell(&self, rejected: &Rejected) {
        if self.json {
            println!("{}", line("rejected", json!(rejected)));
            return;
        }
        self.page.borrow_mut().push(rejected.clone());
        if self.page.borrow().len() >= PAGE {
            self.finish();
        }
    }

    /// Prints what was not printed yet.
    pub(crate) fn finish(&self) {
        let page = self.page.take();
        if page.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.set_header(["source", "line", "key", "field", "reason"]);
        for Rejected { place, key, field, reason } in page {
            table.add_row([place.source, place.line.to_string(), key.unwrap_or_default(), field, reason]);
        }
        println!("{table}");
    }
}

/// One JSON object with its kind.
pub(crate) fn line(kind: &str, mut value: Value) -> Value {
    value["kind"] = kind.into();
    value
}

/// The numbers in a sentence, and commands and sums in a table.
pub(crate) fn counts(did: &str, counts: &Counts) {
    println!(
        "{} rows {did}: {} good, {} refused; {} events appended, {} were there already",
        counts.rows, counts.rows_applied, counts.rows_rejected, counts.events_appended, counts.events_present
    );
    let mut table = Table::new();
    table.set_header(["of good rows", "number"]);
    let commands = counts.commands.iter().map(|(name, count)| [name.clone(), count.to_string()]);
    table.add_rows(commands.chain(counts.sums.iter().map(|(name, sum)| [name.clone(), sum.to_string()])));
    if counts.rows_applied > 0 {
        println!("{table}");
    }
}
