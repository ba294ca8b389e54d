//! What a node's API says of its jobs, and how they are steered.

use std::time::Duration;

use jbc_scheduler::{JobInfo, RunRecord};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{ClientError, LIST_REPLY_BYTES, NodeClient, SMALL_REPLY_BYTES, TIMEOUT_MS};
use crate::dead::DeadInfo;

/// Where the dead list is.
const DEAD: &str = "/jobs/dead";

/// What can be done to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steer {
    /// No run of it starts before it is resumed.
    Pause,
    /// Ends a pause.
    Resume,
    /// Takes it off, and cancels its runs.
    Remove,
    /// Runs it now.
    Run,
    /// Takes it out of the dead list, and runs it again.
    Requeue,
}

impl Steer {
    /// As the API's path names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Remove => "remove",
            Self::Run => "run",
            Self::Requeue => "requeue",
        }
    }
}

impl NodeClient {
    /// `GET /jobs`: the jobs that exist.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn jobs(&self) -> Result<Vec<JobInfo>, ClientError> {
        #[derive(Deserialize)]
        struct Reply {
            jobs: Vec<JobInfo>,
        }
        Ok(self.get::<Reply>("/jobs", LIST_REPLY_BYTES).await?.jobs)
    }

    /// `GET /jobs/history`: the newest `count` runs that have ended, newest last.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn history(&self, count: u64) -> Result<Vec<RunRecord>, ClientError> {
        #[derive(Deserialize)]
        struct Reply {
            runs: Vec<RunRecord>,
        }
        Ok(self
            .get::<Reply>(&history_path(count), LIST_REPLY_BYTES)
            .await?
            .runs)
    }

    /// The list that `GET /jobs` answers, as the very text of JSON it is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn jobs_json(&self) -> Result<Box<RawValue>, ClientError> {
        #[derive(Deserialize)]
        struct Reply {
            jobs: Box<RawValue>,
        }
        Ok(self.get::<Reply>("/jobs", LIST_REPLY_BYTES).await?.jobs)
    }

    /// The list that `GET /jobs/history` answers, as the very text of JSON it is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn history_json(&self, count: u64) -> Result<Box<RawValue>, ClientError> {
        #[derive(Deserialize)]
        struct Reply {
            runs: Box<RawValue>,
        }
        Ok(self
            .get::<Reply>(&history_path(count), LIST_REPLY_BYTES)
            .await?
            .runs)
    }

    /// Steers a job; answers with the job as it is now.
    ///
    /// # Errors
    /// [`ClientError`]: 401 for a wrong token, 404 where there is no such job.
    pub async fn steer(
        &self,
        action: Steer,
        id: &str,
        token: &str,
    ) -> Result<JobInfo, ClientError> {
        self.post_id(action.as_str(), id, token).await
    }

    /// `GET /jobs/dead`: the jobs that failed as often as they may, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dead(&self) -> Result<Vec<DeadInfo>, ClientError> {
        #[derive(Deserialize)]
        struct Reply {
            dead: Vec<DeadInfo>,
        }
        Ok(self.get::<Reply>(DEAD, LIST_REPLY_BYTES).await?.dead)
    }

    /// The list that `GET /jobs/dead` answers, as the very text of JSON it is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dead_json(&self) -> Result<Box<RawValue>, ClientError> {
        #[derive(Deserialize)]
        struct Reply {
            dead: Box<RawValue>,
        }
        Ok(self.get::<Reply>(DEAD, LIST_REPLY_BYTES).await?.dead)
    }

    /// Takes a job out of the dead list for good; answers with what it was.
    ///
    /// # Errors
    /// As [`steer`](Self::steer).
    pub async fn forget(&self, id: &str, token: &str) -> Result<DeadInfo, ClientError> {
        self.post_id("forget", id, token).await
    }

    async fn post_id<T: DeserializeOwned>(
        &self,
        action: &str,
        id: &str,
        token: &str,
    ) -> Result<T, ClientError> {
        let path = format!("/jobs/{action}");
        let request = self
            .http
            .post(self.address(&path))
            .bearer_auth(token)
            .header("content-type", "application/json")
            .body(serde_json::json!({ "id": id }).to_string())
            .timeout(Duration::from_millis(TIMEOUT_MS));
        let response = self.send(request, &path).await?;
        self.parse(&self.body(response, &path, SMALL_REPLY_BYTES).await?, &path)
    }
}

fn history_path(count: u64) -> String {
    format!("/jobs/history?count={count}")
}
