//! Old and new versions read each other.

use serde_json::{Value, json};

use super::*;

/// As the first version wrote it.
fn first_version() -> Value {
    json!({
        "id": "sync", "name": "sync", "lane": "io", "priority": 3, "trigger": "interval[0:00:10]",
        "state": "running", "next_run_time": null, "paused": false,
        "runs": [{
            "run_id": "018bcfe5-6800-7000-8000-000000000000", "started_at": 5, "progress": null
        }],
        "max_instances": 1, "coalesce": true, "misfire_grace_time_ms": null
    })
}

/// As the first version wrote it.
fn first_record() -> Value {
    json!({
        "run_id": null, "job_id": "sync", "name": "sync", "lane": "io", "outcome": "missed",
        "message": null, "scheduled_at": 1, "started_at": null, "finished_at": 2, "elapsed_us": null
    })
}

#[test]
fn what_the_first_version_wrote_is_read_with_what_was_so_then() {
    let info: JobInfo = serde_json::from_value(first_version()).unwrap();
    assert_eq!(
        (info.timeout_ms, info.failures, info.durable),
        (None, 0, false)
    );
    assert_eq!(info.tags, [""; 0]);
    assert_eq!(info.runs[0].attempt, 1);
    let record: RunRecord = serde_json::from_value(first_record()).unwrap();
    assert_eq!(record.attempt, 1);
}

#[test]
fn the_first_version_finds_all_it_wrote_where_it_was() {
    let written = [
        (
            first_version(),
            serde_json::from_value::<JobInfo>(first_version()).map(serde_json::to_value),
        ),
        (
            first_record(),
            serde_json::from_value::<RunRecord>(first_record()).map(serde_json::to_value),
        ),
    ];
    for (old, new) in written {
        let new = new.unwrap().unwrap();
        for (key, value) in old.as_object().unwrap() {
            // Runs are compared by their own keys.
            match value.as_array() {
                Some(runs) => {
                    let run = runs[0].as_object().unwrap();
                    for (key, value) in run {
                        assert_eq!(new["runs"][0][key], *value, "{key}");
                    }
                }
                None => assert_eq!(new[key], *value, "{key}"),
            }
        }
    }
}

#[test]
fn what_is_written_today_is_read_again() {
    let mut info: JobInfo = serde_json::from_value(first_version()).unwrap();
    (info.timeout_ms, info.failures, info.durable) = (Some(5), 2, true);
    info.tags = vec!["gpu".into()];
    info.runs[0].attempt = 3;
    let json = serde_json::to_string(&info).unwrap();
    assert_eq!(serde_json::from_str::<JobInfo>(&json).unwrap(), info);
}
