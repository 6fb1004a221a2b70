//! What the code prints and the repository keeps a copy of.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::plot::plot;

/// What is printed as a whole, and by which command.
const WHOLE: [(&str, &[&str]); 3] = [
    ("producers/command-api/openapi.json", &["openapi"]),
    ("schemas/asyncapi.json", &["schema", "asyncapi"]),
    ("schemas/CATALOGUE.md", &["schema", "catalogue"]),
];

/// What benchmarks wrote, and the plot of each.
const FIGURES: &str = "deploy/figures";

/// The file with the table of settings, and the lines around it.
const README: &str = "README.md";
const BEGIN: &str = "<!-- begin settings";
const END: &str = "<!-- end settings -->";

/// The lines around the text of a file, which the first names.
const BEGIN_FILE: &str = "<!-- begin file ";
const END_FILE: &str = "<!-- end file -->";

/// Where the example is that the README shows as a crate of its own, seen from the crate that it is an example of.
const EXAMPLES: &str = "examples/tickets/";

/// The copies that differ from what is printed now, one sentence each; renewed where asked.
pub fn differences(write: bool) -> anyhow::Result<Vec<String>> {
    let read = |file: &str| std::fs::read_to_string(file).with_context(|| format!("failed to read {file}"));
    let programs = run(&mut Command::new(".ci/build"))?;
    let millrace = Path::new(programs.trim_end()).join("millrace");
    let printed = |arguments: &[&str]| run(Command::new(&millrace).args(arguments));
    // On a machine without any stack or setting.
    let readme = with_settings(&read(README)?, &printed(&["settings", "--name", "no-such-stack"])?)?;
    let readme = with_files(&readme, read)?;
    let mut found = Vec::new();
    let mut copies = vec![(PathBuf::from(README), readme)];
    for (file, command) in WHOLE {
        copies.push((file.into(), printed(command)?));
    }
    for entry in std::fs::read_dir(FIGURES).with_context(|| format!("failed to list {FIGURES}"))? {
        let file = entry?.path();
        if file.extension() == Some(OsStr::new("json")) {
            let plot = plot(&std::fs::read_to_string(&file)?)
                .with_context(|| format!("{} cannot be drawn", file.display()))?;
            copies.push((file.with_extension("svg"), plot));
        }
    }
    for (file, current) in copies {
        if std::fs::read_to_string(&file).is_ok_and(|copy| copy == current) {
            continue;
        }
        if write {
            std::fs::write(&file, current).with_context(|| format!("failed to write {}", file.display()))?;
        } else {
            let file = file.display();
            found.push(format!("{file} is out of date; run `cargo xtask generated --write`"));
        }
    }
    Ok(found)
}

/// The same document with these settings between its marks.
fn with_settings(document: &str, settings: &str) -> anyhow::Result<String> {
    let begin = document.find(BEGIN).with_context(|| format!("{README} has no line `{BEGIN}`"))?;
    let table = begin + document[begin..].find('\n').with_context(|| format!("`{BEGIN}` ends {README}"))? + 1;
    let end = document[table..].find(END).with_context(|| format!("{README} has no line `{END}`"))? + table;
    Ok(format!("{}{settings}{}", &document[..table], &document[end..]))
}

/// The same document with each file between its marks, as far in as these are, as if the example were a crate of its own.
fn with_files(document: &str, read: impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<String> {
    let (mut shown, mut lines) = (String::new(), document.lines());
    while let Some(line) = lines.next() {
        writeln!(shown, "{line}")?;
        let begin = line.trim_start().strip_prefix(BEGIN_FILE);
        let Some(file) = begin.and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let language = match Path::new(file).extension().and_then(OsStr::to_str) {
            Some("rs") => "rust,ignore",
            Some("avsc") => "json",
            Some(other) => other,
            None => "text",
        };
        writeln!(shown, "{indent}```{language}")?;
        for line in read(file)?.replace(EXAMPLES, "").lines() {
            writeln!(shown, "{}", format!("{indent}{line}").trim_end())?;
        }
        writeln!(shown, "{indent}```")?;
        let end = lines.find(|line| line.trim_start() == END_FILE);
        writeln!(shown, "{}", end.with_context(|| format!("{README} does not end {file}"))?)?;
    }
    Ok(shown)
}

/// What a program prints when it succeeds.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("failed to start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} printed no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = "a\n<!-- begin settings: x -->\nold\n<!-- end settings -->\nb\n";
        let expected = "a\n<!-- begin settings: x -->\nnew\n<!-- end settings -->\nb\n";
        assert_eq!(with_settings(document, "new\n").unwrap(), expected);
        assert_eq!(with_settings(expected, "new\n").unwrap(), expected);
        assert!(with_settings("no marks", "new\n").is_err());
    }

    #[test]
    fn a_file_is_shown_between_its_marks_as_far_in_as_they_are() {
        let document = "a\n  <!-- begin file f/x.rs -->\nold\n  <!-- end file -->\nb\n";
        let expected = "a\n  <!-- begin file f/x.rs -->\n  ```rust,ignore\n  let dir = \"schemas\";\n\n  }\n  ```\n  <!-- end file -->\nb\n";
        let read = |file: &str| {
            assert_eq!(file, "f/x.rs");
            Ok("let dir = \"examples/tickets/schemas\";\n\n}\n".to_owned())
        };
        assert_eq!(with_files(document, read).unwrap(), expected);
        assert_eq!(with_files(expected, read).unwrap(), expected);
        assert!(with_files("<!-- begin file f/x.rs -->\n", read).is_err(), "it never ends");
        assert!(with_files(document, |_| anyhow::bail!("there is none")).is_err());
    }
}
