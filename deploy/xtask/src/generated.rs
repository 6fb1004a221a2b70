//! What the code prints and the repository keeps a copy of.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// What is printed as a whole, and by which command.
const WHOLE: [(&str, &[&str]); 3] = [
    ("producers/command-api/openapi.json", &["openapi"]),
    ("schemas/asyncapi.json", &["schema", "asyncapi"]),
    ("schemas/CATALOGUE.md", &["schema", "catalogue"]),
];

/// The file with the table of settings, and the lines around it.
const README: &str = "README.md";
const BEGIN: &str = "<!-- begin settings";
const END: &str = "<!-- end settings -->";

/// The copies that differ from what is printed now, one sentence each; renewed where asked.
pub fn differences(write: bool) -> anyhow::Result<Vec<String>> {
    let read = |file| std::fs::read_to_string(file).with_context(|| format!("failed to read {file}"));
    let programs = run(&mut Command::new(".ci/build"))?;
    let millrace = Path::new(programs.trim_end()).join("millrace");
    let printed = |arguments: &[&str]| run(Command::new(&millrace).args(arguments));
    // On a machine without any stack or setting.
    let readme = with_settings(&read(README)?, &printed(&["settings", "--name", "no-such-stack"])?)?;
    let mut found = Vec::new();
    let mut copies = vec![(README, readme)];
    for (file, command) in WHOLE {
        copies.push((file, printed(command)?));
    }
    for (file, current) in copies {
        if std::fs::read_to_string(file).is_ok_and(|copy| copy == current) {
            continue;
        }
        if write {
            std::fs::write(file, current).with_context(|| format!("failed to write {file}"))?;
        } else {
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
}
