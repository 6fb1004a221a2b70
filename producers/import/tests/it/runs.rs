//! Runs that meet what is stored already.

use import::Origin;

use crate::fixture::{Import, agent_runs, file, in_memory, sample, tenant};

fn lines(most: usize) -> Vec<String> {
    use std::io::BufRead;
    let reader = flate2::read::GzDecoder::new(std::fs::File::open(sample()).unwrap());
    std::io::BufReader::new(reader).lines().take(most).map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_run_adds_what_an_interrupted_one_left_out() {
    let (mapping, import, lines) = (agent_runs(), Import::into(&in_memory()), lines(20));
    let (_half, half) = file(&lines[..9].join("\n"));
    let (before, _) = import.run(&mapping, &half).await;
    let (_whole, whole) = file(&lines.join("\n"));
    let (after, rejected) = import.run(&mapping, &whole).await;
    assert_eq!(rejected, []);
    assert_eq!(after.counts.events_present, before.counts.events_appended);
    assert_eq!(after.counts.rows_applied, 20);
    assert!(import.verify(&mapping, &whole).await.holds());
}

#[tokio::test]
async fn a_row_that_says_something_else_than_what_is_stored_is_refused_and_verify_names_it() {
    let (mapping, import, mut lines) = (agent_runs(), Import::into(&in_memory()), lines(3));
    let (_was, was) = file(&lines.join("\n"));
    import.run(&mapping, &was).await;
    lines[1] = lines[1].replacen("\"patch_bytes\":", "\"patch_bytes\":1", 1);
    let (_is, is) = file(&lines.join("\n"));
    let (report, rejected) = import.run(&mapping, &is).await;
    assert_eq!(
        (report.counts.rows_applied, report.counts.rows_rejected, report.counts.events_appended),
        (2, 1, 0)
    );
    assert_eq!(rejected[0].place.line, 2);
    assert!(rejected[0].reason.contains("exists with another event at version"), "{rejected:?}");

    let verified = import.verify(&mapping, &is).await;
    assert_eq!((verified.holds(), verified.rows_different, verified.rows_equal), (false, 1, 2));
    assert!(verified.differences[0].contains("line 2"), "{verified:?}");
}

#[tokio::test]
async fn what_is_lost_is_found_missing() {
    let (mapping, import, lines) = (agent_runs(), Import::into(&in_memory()), lines(3));
    let (_less, less) = file(&lines[..2].join("\n"));
    import.run(&mapping, &less).await;
    let (_all, all) = file(&lines.join("\n"));
    let verified = import.verify(&mapping, &all).await;
    assert_eq!((verified.holds(), verified.rows_missing, verified.rows_equal), (false, 1, 2));
    assert!(verified.sums["prompt_tokens"].store.0 < verified.sums["prompt_tokens"].source.0);
}

#[tokio::test]
async fn another_tenants_data_are_not_met() {
    let (mapping, store, origin) = (agent_runs(), in_memory(), Origin::File(sample()));
    let (ours, _) = Import::into(&store).run(&mapping, &origin).await;
    let theirs = import::Importer::new(store, crate::fixture::rules(), tenant("globex"), 2);
    let progress = import::Progress::default();
    let report = theirs.run(&mapping, &origin, crate::fixture::RUN, &progress, |_| {}).await.unwrap();
    assert_eq!(report.counts.events_appended, ours.counts.events_appended);
}
