use super::*;
use crate::TopicState;

const MANIFEST: &str = "
topics:
  - {name: a, purpose: p, owner: o, partitions: 1, partitions_reason: r, replicas: 1,
     min_in_sync_replicas: 1, retention: 1d, consumers: []}
users: []
retired:
  - {name: old, reason: replaced by a}
";

fn manifest() -> Manifest {
    Manifest::parse(MANIFEST, "m").unwrap()
}

fn cluster() -> Cluster {
    let old = TopicState { partitions: 1, replicas: 1, ..TopicState::default() };
    Cluster { id: "one".into(), topics: [("old".into(), old)].into(), ..Cluster::empty(1) }
}

fn planned() -> PlanFile {
    let permits = Permits { delete_topic: vec!["old".into()], ..Permits::default() };
    let file = PlanFile::new(&manifest(), &cluster(), &permits);
    let read = PlanFile::parse(&file.to_json()).unwrap();
    assert_eq!(read, file);
    read
}

#[test]
fn a_plan_stands_while_nothing_moves() {
    let plan = planned().confirm(&manifest(), &cluster()).unwrap();
    let steps: Vec<_> = plan.steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps.last().unwrap(), "delete topic old with all its records");
    assert_eq!(steps.len(), 2);
}

#[test]
fn what_moved_is_said() {
    let file = planned();
    let refused = |cluster: Cluster| file.confirm(&manifest(), &cluster).unwrap_err().to_string();
    let mut grown = cluster();
    grown.topics.get_mut("old").unwrap().partitions = 2;
    assert!(refused(grown).contains("topic old was '1 partitions of 1' and is '2 partitions of 1'"));
    assert!(refused(Cluster { topics: [].into(), ..cluster() }).contains("topic old is gone"));
    let mut more = cluster();
    more.topics.insert("a".into(), TopicState { partitions: 1, ..TopicState::default() });
    assert!(refused(more).contains("topic a is new, 1 partitions of 0"));
    let other = Cluster { id: "two".into(), ..cluster() };
    assert_eq!(refused(other), "the plan was made for cluster one, and this is cluster two");
}

#[test]
fn what_the_manifest_does_not_name_may_move() {
    let mut busy = cluster();
    busy.topics.insert("b".into(), TopicState::default());
    busy.users.insert("somebody".into());
    assert!(planned().confirm(&manifest(), &busy).is_ok());
}

#[test]
fn another_manifest_is_refused_and_other_comments_are_not() {
    let commented = Manifest::parse(&format!("# new\n{MANIFEST}"), "m").unwrap();
    assert!(planned().confirm(&commented, &cluster()).is_ok());
    let other = Manifest::parse(&MANIFEST.replace("1d", "2d"), "m").unwrap();
    assert!(matches!(planned().confirm(&other, &cluster()), Err(PlanFileError::OtherManifest)));
}

#[test]
fn a_file_that_somebody_wrote_in_is_refused() {
    let text = planned().to_json();
    let steps = PlanFile::parse(&text.replace("delete_topic\",", "create_topic\",")).unwrap();
    assert!(matches!(steps.confirm(&manifest(), &cluster()), Err(PlanFileError::Damaged(_))));
    let state = PlanFile::parse(&text.replace("1 partitions of 1", "9 partitions of 1"));
    assert!(matches!(state, Err(PlanFileError::Damaged(_))));
    assert!(matches!(
        PlanFile::parse(&text.replace("\"version\": 1", "\"version\": 2")),
        Err(PlanFileError::Damaged(_))
    ));
    assert!(matches!(PlanFile::parse("{}"), Err(PlanFileError::Unreadable(_))));
}
