//! Fetching with Maven, so that the user's mirrors, proxies and credentials apply.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::process::run;
use crate::{Error, Result};

const DEPENDENCY_PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";

/// A file in a Maven repository: `group:artifact:version[:type[:classifier]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coordinate<'a> {
    group: &'a str,
    artifact: &'a str,
    version: &'a str,
    kind: &'a str,
    classifier: Option<&'a str>,
}

impl<'a> Coordinate<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        let mut fields = text.split(':');
        let mut next = || fields.next().filter(|field| !field.is_empty());
        let (Some(group), Some(artifact), Some(version)) = (next(), next(), next()) else {
            let what = format!("{text:?} is not group:artifact:version");
            return Err(Error::Damaged { path: "lock.toml".into(), what });
        };
        Ok(Self { group, artifact, version, kind: next().unwrap_or("jar"), classifier: next() })
    }

    /// Where a repository keeps it.
    pub(super) fn folder(&self) -> PathBuf {
        PathBuf::from(self.group.replace('.', "/")).join(self.artifact).join(self.version)
    }

    fn xml(&self, element: &str) -> String {
        let Self { group, artifact, version, kind, .. } = self;
        let classifier =
            self.classifier.map(|name| format!("<classifier>{name}</classifier>")).unwrap_or_default();
        format!(
            "<{element}><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>\
             <type>{kind}</type>{classifier}</{element}>\n"
        )
    }
}

/// Copies exactly these files into `target`, which has one level.
pub(super) async fn copy(coordinates: &[Coordinate<'_>], staging: &Path, target: &Path) -> Result<()> {
    let items: String = coordinates.iter().map(|coordinate| coordinate.xml("artifactItem")).collect();
    let configuration = format!(
        "<build><plugins><plugin><groupId>org.apache.maven.plugins</groupId>\
         <artifactId>maven-dependency-plugin</artifactId><configuration>\n<artifactItems>\n{items}</artifactItems>\n\
         <outputDirectory>{}</outputDirectory></configuration></plugin></plugins></build>",
        target.display()
    );
    maven(&configuration, &["copy"], staging).await
}

/// Copies these files and all they need at run time into `target`, laid out like a repository.
pub(super) async fn copy_with_dependencies(
    coordinates: &[Coordinate<'_>],
    staging: &Path,
    target: &Path,
) -> Result<()> {
    let dependencies: String = coordinates.iter().map(|coordinate| coordinate.xml("dependency")).collect();
    let body = format!("<dependencies>\n{dependencies}</dependencies>");
    let output = format!("-DoutputDirectory={}", target.display());
    let goal = ["copy-dependencies", "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true", &output];
    maven(&body, &goal, staging).await
}

/// Runs one goal of the dependency plugin on a project made for it, with a repository below `staging`: what an
/// interrupted run has brought is still there for the next one. The lock judges the files, not Maven: some have no
/// checksum beside them that it would accept.
async fn maven(body: &str, goal: &[&str], staging: &Path) -> Result<()> {
    fs::create_dir_all(staging).map_err(Error::file("make", staging))?;
    let project = staging.join("pom.xml");
    let text = format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n<modelVersion>4.0.0</modelVersion>\
         <groupId>millrace</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>\n\
         {body}\n</project>\n"
    );
    fs::write(&project, text).map_err(Error::file("write", &project))?;
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--no-transfer-progress", "--file"]).arg(&project);
    maven.arg(format!("-Dmaven.repo.local={}", repository(staging).display()));
    maven.arg(format!("{DEPENDENCY_PLUGIN}:{}", goal[0])).args(&goal[1..]).current_dir(staging);
    run(&mut maven, "").await.map(drop).map_err(only_errors)
}

pub(super) fn repository(staging: &Path) -> PathBuf {
    staging.join("repository")
}

/// Of all that Maven prints when it fails, the lines that say why.
fn only_errors(error: Error) -> Error {
    match error {
        Error::Failed { program, status, output } => {
            let said: Vec<&str> = output.lines().filter_map(|line| line.strip_prefix("[ERROR] ")).collect();
            let output = if said.is_empty() { output } else { said[..said.len().min(3)].join("\n") };
            Error::Failed { program, status, output }
        }
        other => other,
    }
}

/// The coordinate of a file in a repository's layout: `group/as/folders/artifact/version/file`.
pub(super) fn coordinate_of(relative: &Path) -> Option<String> {
    let names: Vec<&str> = relative.iter().map(|name| name.to_str()).collect::<Option<_>>()?;
    let [group @ .., artifact, version, file] = names.as_slice() else { return None };
    let rest = file.strip_prefix(&format!("{artifact}-{version}"))?;
    let group = group.join(".");
    match rest.strip_prefix('-') {
        None => (rest == ".jar").then(|| format!("{group}:{artifact}:{version}")),
        Some(rest) => {
            let classifier = rest.strip_suffix(".jar")?;
            Some(format!("{group}:{artifact}:{version}:jar:{classifier}"))
        }
    }
}
