use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use local::{Component, Process};
use nix::unistd::Uid;

use super::scene::{Fault, Scene};
use crate::harness::{PATIENCE, finish};

pub(super) async fn its_users_password_is_rotated(scene: &mut Scene) {
    const NEW: &str = "another-one";
    let load = scene.load().await;
    let mut fault =
        Fault::begins("the Kafka password of `connect` is rotated, and the worker started again with it");
    let arguments = ["topics", "apply", "--rotate-password", "connect"];
    let mut rotate = scene.world.program.command(&arguments);
    rotate.env("MILLRACE_KAFKA_CONNECT_PASSWORD", NEW);
    let rotated = finish(rotate.spawn().unwrap(), &arguments).await;
    assert!(rotated.code == 0 && rotated.stdout.contains("connect"), "{rotated:?}");
    // Connections that are open stay open.
    scene.arrives().await;

    scene.kill(Component::Connect).await;
    fault.raises(scene, "connect_unreachable").await;
    let (facts, old) = (scene.world.stack.env_file(), scene.world.fact("MILLRACE_KAFKA_CONNECT_PASSWORD"));
    let text = fs::read_to_string(&facts).unwrap();
    assert!(text.contains(old));
    fs::write(&facts, text.replace(old, NEW)).unwrap();
    scene.start(Component::Connect).await;
    fault.is_mended();
    load.ended().await;
    fault.ends(scene).await;
}

pub(super) async fn its_disk_is_full(scene: &mut Scene) {
    if !Uid::effective().is_root() {
        eprintln!("not run: only root mounts a small disk");
        return;
    }
    scene.kill(Component::Kafka).await;
    let disk = SmallDisk::under(scene.world.stack.folder(Component::Kafka).join("data"));
    scene.start(Component::Kafka).await;
    scene.is_well().await;
    scene.assert_nothing_is_missing().await;

    let broker = Process::find(scene.world.pid(Component::Kafka).await).unwrap();
    let load = scene.load().await;
    let mut fault = Fault::begins("the broker's disk is full, and it ends itself");
    let filler = disk.fill();
    assert!(broker.gone_within(PATIENCE).await, "the broker outlives its disk");
    fault.raises(scene, "connect_unreachable").await;
    fs::remove_file(filler).unwrap();
    scene.start(Component::Kafka).await;
    fault.is_mended();
    let acknowledged = load.ended().await;
    fault.ends(scene).await;
    scene.world.assert_stored(&acknowledged).await;
    scene.disk = Some(disk);
}

/// A disk of 256 MB in the place of a folder, with what was in it; unmounted when dropped.
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    fn under(folder: PathBuf) -> Self {
        let aside = folder.with_extension("aside");
        fs::rename(&folder, &aside).unwrap();
        fs::create_dir(&folder).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=256m", "tmpfs"]).arg(&folder));
        let disk = Self(folder);
        run(Command::new("cp").args(["--archive", "--sparse=always"]).arg(aside.join(".")).arg(&disk.0));
        disk
    }

    /// Leaves room for a moment's writing.
    fn fill(&self) -> PathBuf {
        const ROOM: u64 = 1 << 20;
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        let written = std::iter::repeat_with(|| file.write(&[1; 1 << 16])).take_while(Result::is_ok).count();
        file.set_len(((written as u64) << 16).saturating_sub(ROOM)).unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(Path::new(&self.0)));
    }
}

fn run(command: &mut Command) {
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{command:?}: {ended:?}");
}
