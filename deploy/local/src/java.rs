//! The options that every Java program of the stack gets.

use std::path::Path;

/// How much a Java program may take, and how it is tuned.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Profile {
    /// Serves requests for a long time: compiled well, short pauses.
    Server {
        /// The heap, in MiB.
        heap: u32,
    },
    /// Answers now and then: its compiler should stay off the cores that the others need.
    Quiet {
        /// The heap, in MiB.
        heap: u32,
    },
}

/// The options before the class path.
pub(crate) fn options(profile: Profile) -> Vec<String> {
    let (heap, tuning): (u32, &[&str]) = match profile {
        Profile::Server { heap } => (heap, &["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=10"]),
        Profile::Quiet { heap } => (heap, &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]),
    };
    let always = [
        "-XX:-UsePerfData", // it would leave files in /tmp
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
    ];
    let heap = [format!("-Xms{heap}m"), format!("-Xmx{heap}m")];
    heap.into_iter().chain(tuning.iter().chain(&always).map(|option| (*option).to_owned())).collect()
}

/// A class path of all jars in a folder, in the form that Java itself expands.
pub(crate) fn class_path(folder: &Path) -> [String; 2] {
    ["-cp".to_owned(), folder.join("*").display().to_string()]
}
