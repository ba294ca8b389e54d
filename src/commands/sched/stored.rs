//! What the job stores of stopped nodes hold, read from their files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use jbc_scheduler::{DamagedRow, JobInfo, RedbStore, Stored, StoredJob};
use serde_json::{Value, json};

use super::layout::Layout;
use super::{SchedArgs, Seen, View};
use crate::dead::DeadInfo;
use crate::node::JOBS_FILE;

/// A data folder and what its job store holds, or why that cannot be read.
struct Kept {
    folder: PathBuf,
    contents: Result<Stored, String>,
}

/// What the stores in a data folder and in its folders hold. No node runs from them.
///
/// # Errors
/// If there is none, none of them can be read, or what is asked for is in no store.
pub(super) fn see(args: &SchedArgs, layout: Layout) -> anyhow::Result<Seen> {
    let data_dir = args.data_dir.display();
    if !args.data_dir.is_dir() {
        bail!("no node is running from {data_dir}/: there is no such folder");
    }
    let kept: Vec<Kept> = folders(&args.data_dir).into_iter().map(read).collect();
    if kept.is_empty() || !args.view().is_stored() {
        bail!(super::no_node(args));
    }
    let failures: Vec<&str> = kept
        .iter()
        .filter_map(|kept| kept.contents.as_ref().err().map(String::as_str))
        .collect();
    if failures.len() == kept.len() {
        bail!(
            "no node is running from {data_dir}/, and {}",
            failures.join("; ")
        );
    }
    let text = match args.is_json() {
        true => json_of(args.view(), &kept),
        false => kept
            .iter()
            .map(|kept| text_of(args.view(), layout, kept))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    let failure = (!failures.is_empty()).then(|| failures.join("; "));
    Ok(Seen {
        lasting: text.clone(),
        text,
        failure,
    })
}

/// The folder itself and those in it that have a job store, by name.
fn folders(data_dir: &Path) -> Vec<PathBuf> {
    let inner = fs::read_dir(data_dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = std::iter::once(data_dir.to_owned())
        .chain(inner)
        .filter(|folder| folder.join(JOBS_FILE).exists())
        .collect();
    folders.sort();
    folders
}

fn read(folder: PathBuf) -> Kept {
    let contents = RedbStore::read(folder.join(JOBS_FILE)).map_err(|error| error.to_string());
    Kept { folder, contents }
}

fn text_of(view: View, layout: Layout, kept: &Kept) -> String {
    let folder = kept.folder.display().to_string();
    let stored = match &kept.contents {
        Ok(stored) => stored,
        Err(reason) => return layout.stored_head(&folder, reason),
    };
    let words = format!("no node is running: this is what {JOBS_FILE} holds");
    let mut text = layout.stored_head(&folder, &words);
    if view == View::Dead {
        text += &layout.dead(&dead(stored));
    } else {
        text += &layout.jobs(&jobs(stored));
        text += &layout.stored_rest(stored);
    }
    text
}

fn jobs(stored: &Stored) -> Vec<JobInfo> {
    stored.jobs.iter().map(StoredJob::info).collect()
}

fn dead(stored: &Stored) -> Vec<DeadInfo> {
    stored.dead.iter().map(Into::into).collect()
}

fn damaged(row: &DamagedRow) -> Value {
    json!({ "key": row.key, "reason": row.reason })
}

/// One object a folder, with the lists of the API.
fn json_of(view: View, kept: &[Kept]) -> String {
    let objects: Vec<String> = kept
        .iter()
        .map(|Kept { folder, contents }| {
            let object = match (contents, view) {
                (Err(reason), _) => json!({ "data_dir": folder, "error": reason }),
                (Ok(stored), View::Dead) => json!({ "data_dir": folder, "dead": dead(stored) }),
                (Ok(stored), _) => {
                    let damaged: Vec<_> = stored.damaged.iter().map(damaged).collect();
                    json!({
                        "data_dir": folder,
                        "jobs": jobs(stored),
                        "paused": stored.paused,
                        "damaged": damaged,
                    })
                }
            };
            object.to_string()
        })
        .collect();
    format!("[{}]\n", objects.join(",\n"))
}
