use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use super::maven::{self, Coordinate};
use super::unpack::{JAVA_RUNTIME, unpack};
use super::{Artifact, Lock, digest, pip, wanted};
use crate::files::{length, make_folder};
use crate::packages::{self, Package};
use crate::progress::Progress;
use crate::{Error, Home, Result, disk};

/// Where the parts of the stack lie in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Artifacts {
    pub(crate) kafka: PathBuf,
    pub(crate) debezium: PathBuf,
    pub(crate) registry: PathBuf,
    java: PathBuf,
}

impl Artifacts {
    pub(crate) fn java(&self) -> PathBuf {
        self.java.join(JAVA_RUNTIME).join("bin/java")
    }
}

/// What the servers run from.
const SERVERS: [&str; 4] = ["kafka", "debezium", "registry", "java"];

/// What the peer runs from, beside Kafka and Java.
const PEER: [&str; 2] = ["jdbc-sink", "avro-converter"];

/// The servers' parts, if all of them are in the cache.
pub(crate) fn cached(lock: &Lock, home: &Home) -> Option<Artifacts> {
    let [kafka, debezium, registry, java] = places(lock, home, SERVERS)?;
    Some(Artifacts { kafka, debezium, registry, java })
}

/// Where parts lie, if all of them are in the cache.
fn places<const N: usize>(lock: &Lock, home: &Home, parts: [&str; N]) -> Option<[PathBuf; N]> {
    let places = parts.map(|part| place(lock, home, part));
    places.iter().all(|place| place.exists()).then_some(places)
}

fn place(lock: &Lock, home: &Home, part: &str) -> PathBuf {
    home.cache.join(format!("{part}-{}-{}", wanted()[part].version, digest(&lock.part(part))))
}

/// Brings what the servers run from into the cache, where it is missing.
pub(crate) async fn fetch(lock: &Lock, home: &Home, progress: &Progress) -> Result<Artifacts> {
    let [kafka, debezium, registry, java] = fetched(lock, home, SERVERS, progress).await?;
    Ok(Artifacts { kafka, debezium, registry, java })
}

/// The same for the plugins of the peer.
pub(crate) async fn fetch_peer(lock: &Lock, home: &Home, progress: &Progress) -> Result<[PathBuf; 2]> {
    fetched(lock, home, PEER, progress).await
}

/// Brings what is missing into the cache. One process at a time; the others find it done.
async fn fetched<const N: usize>(
    lock: &Lock,
    home: &Home,
    parts: [&str; N],
    progress: &Progress,
) -> Result<[PathBuf; N]> {
    if let Some(places) = places(lock, home, parts) {
        return Ok(places);
    }
    make_folder(&home.cache, 0o755)?;
    let guard = home.cache.join("lock");
    let guard = File::create(&guard).map_err(Error::file("open", &guard))?;
    let mut waiting = None;
    while guard.try_lock().is_err() {
        waiting.get_or_insert_with(|| progress.step("fetch", "another command is fetching; waiting for it"));
        sleep(Duration::from_millis(200)).await;
    }
    if let Some(step) = waiting {
        step.done("the other command is through");
    }
    let missing: Vec<&str> = parts.into_iter().filter(|part| !place(lock, home, part).exists()).collect();
    let files: Vec<&Artifact> = missing.iter().flat_map(|part| lock.part(part)).collect();
    if !files.is_empty() {
        packages::require(&[Package::Maven, Package::Pip], progress).await?;
        let total: u64 = files.iter().map(|artifact| artifact.size).sum();
        disk::require(&home.cache, 5 * total, "to fetch and unpack the servers")?;
        let staging = home.cache.join("fetching");
        bring(&files, total, &staging, progress).await?;
        for part in missing {
            settle(lock, home, part, &staging, progress).await?;
        }
        fs::remove_dir_all(&staging).map_err(Error::file("remove", &staging))?;
    }
    Ok(places(lock, home, parts).expect("each part was moved into its place"))
}

/// Has the clients fetch the files, showing how far they are; then checks every one.
async fn bring(files: &[&Artifact], total: u64, staging: &Path, progress: &Progress) -> Result<()> {
    let target = staging.join("files");
    make_folder(&target, 0o755)?;
    let step = progress.bytes("fetch", total);
    step.say(&format!("{} files, {} MB", files.len(), total / 1_000_000));
    let (wheels, jars): (Vec<&Artifact>, Vec<&Artifact>) =
        files.iter().partition(|file| file.platform.is_some());
    let with_maven = async {
        let coordinates: Vec<Coordinate<'_>> =
            jars.iter().map(|file| Coordinate::parse(&file.coordinate)).collect::<Result<_>>()?;
        if jars.is_empty() {
            Ok(())
        } else {
            maven::copy(&coordinates, &staging.join("maven"), &target).await
        }
    };
    let with_pip = async {
        for wheel in &wheels {
            let platform = wheel.platform.as_deref().unwrap_or_default();
            pip::download(&wheel.coordinate, platform, &target).await?;
        }
        Ok(())
    };
    let watch = async {
        loop {
            let arrived = |file: &&Artifact| arrived(file, staging, &target).min(file.size);
            step.reached(files.iter().map(arrived).sum());
            sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        fetched = async { tokio::try_join!(with_maven, with_pip) } => fetched.map(drop)?,
        () = watch => {}
    }
    for file in files {
        if let Err(error) = file.verify(&target.join(&file.file)) {
            fs::remove_dir_all(staging).map_err(Error::file("remove", staging))?; // a wrong file leaves no copy
            return Err(error);
        }
    }
    step.done(&format!("{} files, each as locked", files.len()));
    Ok(())
}

/// How many bytes of a file are here: copied already, or still growing in Maven's repository.
fn arrived(file: &Artifact, staging: &Path, target: &Path) -> u64 {
    let Ok(coordinate) = Coordinate::parse(&file.coordinate) else { return length(&target.join(&file.file)) };
    let folder = maven::repository(&staging.join("maven")).join(coordinate.folder());
    let growing = fs::read_dir(folder).into_iter().flatten().flatten();
    let parts = growing.filter(|entry| entry.file_name().to_string_lossy().starts_with(&file.file));
    let in_repository = parts.map(|entry| length(&entry.path())).max().unwrap_or(0);
    in_repository.max(length(&target.join(&file.file)))
}

/// Unpacks a part beside its place and moves it there at once.
async fn settle(lock: &Lock, home: &Home, part: &str, staging: &Path, progress: &Progress) -> Result<()> {
    let step = progress.step(part, "unpacking");
    let (place, unpacked) = (place(lock, home, part), staging.join("unpacked").join(part));
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked).map_err(Error::file("remove", &unpacked))?;
    }
    let files: Vec<PathBuf> =
        lock.part(part).iter().map(|artifact| staging.join("files").join(&artifact.file)).collect();
    unpack(&files, &unpacked).await?;
    fs::rename(&unpacked, &place).map_err(Error::file("move into the cache", &unpacked))?;
    step.done("in the cache");
    Ok(())
}
