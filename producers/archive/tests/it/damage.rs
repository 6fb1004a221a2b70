//! Folders that are not what was written.

use std::fs;
use std::path::{Path, PathBuf};

use archive::{Error, Folder};
use tempfile::TempDir;

use crate::fixture::{Events, aggregate};

async fn backup(folder: &TempDir) -> PathBuf {
    let events = Events::new().await;
    events.append("acme", aggregate(), 50).await;
    let path = folder.path().join("backup");
    events.backup(&path).await.unwrap();
    path
}

fn judge(path: &Path) -> Result<(), Error> {
    Folder::open(path)?.verify(|_| {}).map(drop)
}

#[tokio::test]
async fn a_file_that_was_cut_changed_or_exchanged_is_refused_by_name_and_place() {
    let folder = TempDir::new().unwrap();
    let path = backup(&folder).await;
    judge(&path).unwrap();
    let files: Vec<_> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let (name, whole) = (file.file_name().unwrap().to_str().unwrap(), fs::read(&file).unwrap());
        let mut flipped = whole.clone();
        // The manifest's digest comes first among the sums: what vouches for it is judged with it.
        flipped[whole.len().min(64) / 2] ^= 1;
        let mut longer = whole.clone();
        longer.push(0);
        for (damage, bytes) in [
            ("cut", &whole[..whole.len() / 2]),
            ("flipped", &flipped),
            ("longer", &longer),
            ("foreign", b"foreign"),
        ] {
            if name == "SHA256SUMS" && damage != "flipped" && damage != "foreign" {
                continue; // its other lines are for sha256sum
            }
            fs::write(&file, bytes).unwrap();
            let refused = judge(&path).unwrap_err().to_string();
            let named = if name == "SHA256SUMS" { "manifest.json" } else { name };
            assert!(refused.contains(named), "{name}, {damage}: {refused}");
            fs::write(&file, &whole).unwrap();
        }
        fs::remove_file(&file).unwrap();
        assert!(judge(&path).unwrap_err().to_string().contains(name));
        fs::write(&file, &whole).unwrap();
    }
    judge(&path).unwrap();
}

#[tokio::test]
async fn a_folder_is_there_as_a_whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let path = backup(&folder).await;
    assert!(matches!(Events::new().await.backup(&path).await, Err(Error::Exists(_))));
    assert!(matches!(Folder::open(folder.path()), Err(Error::NotAFolder { .. })));
    // What a killed run leaves is not taken for a backup, and not overwritten.
    let left = folder.path().join("left.partial");
    fs::create_dir(&left).unwrap();
    assert!(matches!(
        Events::new().await.backup(&folder.path().join("left")).await,
        Err(Error::Unfinished(_))
    ));
    assert!(matches!(Folder::open(&left), Err(Error::NotAFolder { .. })));
}
