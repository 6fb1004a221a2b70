//! When failures are no longer a matter of single records.

use crate::config::ProjectorConfig;

/// What became of the last records of a partition. Records that wait behind another one say nothing and do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Circuit {
    /// Failures since the last record that took effect.
    in_a_row: u32,
    /// The last outcomes, the newest in the lowest bit; 1 is a failure.
    outcomes: u128,
    /// How many of them there are.
    seen: u32,
}

impl Circuit {
    /// A record took effect.
    pub(super) fn passed(&mut self) {
        self.in_a_row = 0;
        self.push(0);
    }

    /// A record failed; an error, and nothing noted, if that is one too many.
    pub(super) fn failed(&mut self, config: &ProjectorConfig) -> Result<(), String> {
        if self.in_a_row >= config.failures_in_a_row_max {
            return Err(format!(
                "{} records failed in a row, the most allowed (failures-in-a-row-max)",
                self.in_a_row
            ));
        }
        let mut next = *self;
        next.in_a_row += 1;
        next.push(1);
        let (window, percent) = (config.failures_window, config.failures_percent_max);
        let failures =
            (next.outcomes & (u128::MAX >> (u128::BITS - window.clamp(1, u128::BITS)))).count_ones();
        if next.seen >= window && failures * 100 > percent * window {
            return Err(format!(
                "{failures} of the last {window} records failed, more than {percent} % (failures-percent-max)"
            ));
        }
        *self = next;
        Ok(())
    }

    /// What stopped the partition is dealt with: the share of failures before that says nothing of those to come.
    /// Those in a row still are, unless a record passed.
    pub(super) fn begin_anew(&mut self) {
        (self.outcomes, self.seen) = (0, 0);
    }

    fn push(&mut self, outcome: u128) {
        self.outcomes = self.outcomes << 1 | outcome;
        self.seen = self.seen.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn config(line: &[&str]) -> ProjectorConfig {
        #[derive(Parser)]
        struct Program {
            #[command(flatten)]
            config: ProjectorConfig,
        }
        Program::parse_from([&["it"], line].concat()).config
    }

    /// Notes outcomes, `x` a failure; answers at which of them it breaks, and why.
    fn broken_at(config: &ProjectorConfig, outcomes: &str) -> Option<(usize, String)> {
        let mut circuit = Circuit::default();
        for (place, outcome) in outcomes.bytes().enumerate() {
            match outcome {
                b'x' => {
                    if let Err(why) = circuit.failed(config) {
                        return Some((place, why));
                    }
                }
                _ => circuit.passed(),
            }
        }
        None
    }

    #[test]
    fn as_many_failures_in_a_row_as_are_allowed_pass_and_one_more_breaks() {
        let config = config(&["--failures-in-a-row-max", "3"]);
        assert_eq!(broken_at(&config, "xxx.xxx.xxx."), None);
        let (place, why) = broken_at(&config, "x.xxxx").unwrap();
        assert_eq!(place, 5);
        assert!(why.starts_with("3 records failed in a row"), "{why}");
    }

    #[test]
    fn more_failures_than_a_share_of_the_last_records_break_once_there_are_enough_records() {
        let config = config(&["--failures-window", "10", "--failures-percent-max", "50"]);
        assert_eq!(broken_at(&config, "xx.xx.xx."), None, "nine records are too few to tell");
        assert_eq!(broken_at(&config, &"x.".repeat(100)), None, "half of them is allowed");
        let (place, why) = broken_at(&config, &"xx.".repeat(10)).unwrap();
        assert_eq!(place, 9);
        assert!(why.starts_with("7 of the last 10 records failed, more than 50 %"), "{why}");
        assert_eq!(broken_at(&config, &format!("{}xxxxx.", ".".repeat(50))), None);
        assert_eq!(broken_at(&config, &format!("{}xxxxxx", ".".repeat(50))).unwrap().0, 55);
    }

    #[test]
    fn what_broke_it_is_not_noted_and_breaks_it_again() {
        let config = config(&["--failures-in-a-row-max", "1"]);
        let mut circuit = Circuit::default();
        circuit.failed(&config).unwrap();
        let before = circuit;
        for _ in 0..3 {
            assert!(circuit.failed(&config).is_err());
            assert_eq!(circuit, before);
        }
        circuit.passed();
        assert!(circuit.failed(&config).is_ok());
    }

    #[test]
    fn counting_begins_anew_with_failures_in_a_row_still_in_a_row() {
        let config = config(&[
            "--failures-in-a-row-max",
            "3",
            "--failures-window",
            "4",
            "--failures-percent-max",
            "50",
        ]);
        let mut circuit = Circuit::default();
        for _ in 0..3 {
            circuit.failed(&config).unwrap();
        }
        circuit.begin_anew();
        assert!(circuit.failed(&config).is_err(), "the fourth in a row");
        circuit.passed();
        circuit.failed(&config).unwrap();
        circuit.failed(&config).unwrap();
        assert!(circuit.failed(&config).is_err(), "three of the last four");
        circuit.begin_anew();
        circuit.passed();
        circuit.failed(&config).unwrap();
    }

    #[test]
    fn the_widest_window_and_no_wider_is_taken() {
        let widest = config(&["--failures-window", "128", "--failures-percent-max", "0"]);
        assert_eq!(broken_at(&widest, &format!("{}x", ".".repeat(127))).unwrap().0, 127);
    }
}
