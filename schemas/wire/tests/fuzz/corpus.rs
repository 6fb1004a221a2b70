//! The stored corpus, as a test.

use std::path::{Path, PathBuf};

use crate::target::take;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_corpus_is_read_or_refused_within_bounds() {
    let files = files();
    assert!(files.len() > 20, "{} files", files.len());
    for file in files {
        println!("{}", file.display());
        take(&std::fs::read(&file).unwrap());
    }
}
