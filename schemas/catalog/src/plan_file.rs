//! A plan that was looked at, and what it stands on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Cluster, Manifest, Observed, Permits, Plan, plan};

const VERSION: u32 = 1;

/// A plan as a file: what it would do, and the state it was made for. No secret is in it.
///
/// It is carried out only while everything it stands on is as it was: the cluster's id, what the cluster shows of
/// the things that the manifest names, and the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    version: u32,
    cluster_id: String,
    manifest_digest: String,
    state_digest: String,
    state: Observed,
    permits: Permits,
    steps: Vec<Value>,
}

/// Why a plan file is not carried out; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// No plan file.
    #[error("the plan file cannot be understood")]
    Unreadable(#[source] serde_json::Error),
    /// Somebody wrote in it, or another version of this program made it.
    #[error("the plan file was not made so by this program: {0}; plan again")]
    Damaged(String),
    /// For another cluster.
    #[error("the plan was made for cluster {planned}, and this is cluster {found}")]
    OtherCluster {
        /// In the file.
        planned: String,
        /// The one that answered.
        found: String,
    },
    /// The manifest says something else now.
    #[error("the manifest is another one than when the plan was made; plan again")]
    OtherManifest,
    /// The cluster is no longer as it was.
    #[error("the cluster has moved since the plan was made: {}; plan again", .0.join("; "))]
    Moved(Vec<String>),
}

impl PlanFile {
    /// A plan with what it was made from.
    pub fn new(manifest: &Manifest, cluster: &Cluster, permits: &Permits) -> Self {
        let state = cluster.observed(manifest);
        Self {
            version: VERSION,
            cluster_id: cluster.id.clone(),
            manifest_digest: manifest.digest(),
            state_digest: crate::digest(&state),
            state,
            permits: permits.clone(),
            steps: steps(&plan(manifest, cluster, permits)),
        }
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers are always JSON") + "\n"
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is no plan file, or somebody changed the state in it.
    pub fn parse(text: &str) -> Result<Self, PlanFileError> {
        let file: Self = serde_json::from_str(text).map_err(PlanFileError::Unreadable)?;
        if file.version != VERSION {
            return Err(PlanFileError::Damaged(format!("it is of version {}, not {VERSION}", file.version)));
        }
        if file.state_digest != crate::digest(&file.state) {
            return Err(PlanFileError::Damaged("its state does not have the digest that it says".to_owned()));
        }
        Ok(file)
    }

    /// What the plan may do.
    pub fn permits(&self) -> &Permits {
        &self.permits
    }

    /// The plan, if it still stands.
    ///
    /// # Errors
    /// When it does not: says what moved.
    pub fn confirm(&self, manifest: &Manifest, cluster: &Cluster) -> Result<Plan, PlanFileError> {
        if self.cluster_id != cluster.id {
            let (planned, found) = (self.cluster_id.clone(), cluster.id.clone());
            return Err(PlanFileError::OtherCluster { planned, found });
        }
        if self.manifest_digest != manifest.digest() {
            return Err(PlanFileError::OtherManifest);
        }
        let state = cluster.observed(manifest);
        if state != self.state {
            return Err(PlanFileError::Moved(moved(&self.state, &state)));
        }
        let plan = plan(manifest, cluster, &self.permits);
        if steps(&plan) != self.steps {
            return Err(PlanFileError::Damaged("its steps do not follow from its state".to_owned()));
        }
        Ok(plan)
    }
}

fn steps(plan: &Plan) -> Vec<Value> {
    let json = |step| serde_json::to_value(step).expect("texts and numbers are always JSON");
    plan.steps.iter().map(json).collect()
}

fn moved(then: &Observed, now: &Observed) -> Vec<String> {
    let gone_or_changed = then.iter().filter_map(|(thing, was)| match now.get(thing) {
        None => Some(format!("{thing} is gone")),
        Some(is) if is != was => Some(format!("{thing} was '{was}' and is '{is}'")),
        Some(_) => None,
    });
    let new = now.iter().filter(|(thing, _)| !then.contains_key(*thing));
    gone_or_changed.chain(new.map(|(thing, is)| format!("{thing} is new, {is}"))).collect()
}

#[cfg(test)]
mod tests;
