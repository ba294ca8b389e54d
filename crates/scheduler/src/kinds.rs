//! The kind registry: an executor for programs that want no executor of their own.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::executor::{BoxFuture, Executor, JobError, RunContext};
use crate::ids::JobId;
use crate::job::{JobSpec, Lane};
use crate::store::StoredTask;

type Answer = Result<Value, JobError>;
type Check = dyn Fn(&Value) -> Result<(), JobError> + Send + Sync;
type Work = dyn Fn(&Value, &RunContext) -> Answer + Send + Sync;
type IoWork = dyn Fn(&Value, RunContext) -> BoxFuture<'static, Answer> + Send + Sync;

/// Functions under names. A job says the name of its kind and what to call it with, so that a
/// [`JobStore`](crate::JobStore) can keep it and a later process run it.
///
/// ```
/// use std::sync::Arc;
/// use jbc_scheduler::{Kinds, Scheduler};
///
/// let kinds = Kinds::new().register("greet", |name: String, _| Ok(format!("hello, {name}")));
/// let kinds = Arc::new(kinds);
/// let scheduler = Scheduler::builder(Arc::clone(&kinds)).start()?;
/// scheduler.add_job(kinds.job("greeting", "greet", "world")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The names are what a store keeps. A kind that gets another name, or other arguments, no longer knows the jobs that an
/// earlier version of the program has stored.
#[derive(Default)]
pub struct Kinds(BTreeMap<Cow<'static, str>, Kind>);

struct Kind {
    check: Box<Check>,
    body: Body,
}

enum Body {
    Work(Box<Work>),
    Io(Box<IoWork>),
}

/// The task of a job: a kind, and the arguments of its function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The name of the kind.
    pub kind: Cow<'static, str>,
    /// The arguments, as JSON.
    pub args: Value,
}

impl Call {
    /// A call of a kind that may not exist, with arguments that may not fit it; [`Kinds::call`] looks.
    ///
    /// # Errors
    /// If the arguments cannot be JSON, as a map whose keys are not strings.
    pub fn new(
        kind: impl Into<Cow<'static, str>>,
        args: &(impl Serialize + ?Sized),
    ) -> Result<Self, JobError> {
        let kind = kind.into();
        let args = serde_json::to_value(args)
            .map_err(|error| format!("kind {kind:?}: the arguments cannot be JSON: {error}"))?;
        Ok(Self { kind, args })
    }
}

impl Kinds {
    /// No kinds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind whose jobs run on a worker, in [`Lane::Prompt`] or [`Lane::Bulk`].
    ///
    /// # Panics
    /// If the name is empty or taken. It is part of the program's text, so the first start finds the mistake, and there
    /// is nothing a program could do about it when it runs.
    #[must_use]
    #[track_caller]
    pub fn register<A, O, F>(self, name: impl Into<Cow<'static, str>>, body: F) -> Self
    where
        A: DeserializeOwned + 'static,
        O: Serialize + 'static,
        F: Fn(A, &RunContext) -> Result<O, JobError> + Send + Sync + 'static,
    {
        let name = name.into();
        let kind = name.clone();
        let work = move |args: &Value, ctx: &RunContext| {
            to_json(&kind, &body(from_json(&kind, args)?, ctx)?)
        };
        self.add::<A>(name, Body::Work(Box::new(work)))
    }

    /// Adds a kind whose jobs run on tokio, in [`Lane::Io`].
    ///
    /// # Panics
    /// As [`register`](Self::register).
    #[must_use]
    #[track_caller]
    pub fn register_io<A, O, F, R>(self, name: impl Into<Cow<'static, str>>, body: F) -> Self
    where
        A: DeserializeOwned + 'static,
        O: Serialize + 'static,
        F: Fn(A, RunContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, JobError>> + Send + 'static,
    {
        let name = name.into();
        let kind = name.clone();
        let work = move |args: &Value, ctx: RunContext| -> BoxFuture<'static, Answer> {
            match from_json(&kind, args) {
                Ok(args) => {
                    let (kind, run) = (kind.clone(), body(args, ctx));
                    Box::pin(async move { to_json(&kind, &run.await?) })
                }
                Err(error) => Box::pin(async { Err(error) }),
            }
        };
        self.add::<A>(name, Body::Io(Box::new(work)))
    }

    /// A call of one of these kinds with arguments that fit it.
    ///
    /// # Errors
    /// If there is no such kind, or it cannot read these arguments; the text names the kind and the field.
    pub fn call(
        &self,
        kind: impl Into<Cow<'static, str>>,
        args: &(impl Serialize + ?Sized),
    ) -> Result<Call, JobError> {
        let call = Call::new(kind, args)?;
        self.check(&call.kind, &call.args)?;
        Ok(call)
    }

    /// A job of one of these kinds, named after it: [`call`](Self::call) in a [`JobSpec`], in [`Lane::Io`] if the kind
    /// is one for tokio.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn job(
        &self,
        id: impl Into<JobId>,
        kind: impl Into<Cow<'static, str>>,
        args: &(impl Serialize + ?Sized),
    ) -> Result<JobSpec<Call>, JobError> {
        let call = self.call(kind, args)?;
        let lane = match self.kind(&call.kind)?.body {
            Body::Work(_) => Lane::Prompt,
            Body::Io(_) => Lane::Io,
        };
        Ok(JobSpec::new(id, call.kind.clone(), call).lane(lane))
    }

    #[track_caller]
    fn add<A: DeserializeOwned + 'static>(mut self, name: Cow<'static, str>, body: Body) -> Self {
        assert!(!name.is_empty(), "a kind of jobs needs a name");
        let taken = self.0.contains_key(&name);
        assert!(!taken, "the kind {name:?} is registered twice");
        let kind = name.clone();
        let check = Box::new(move |args: &Value| from_json::<A>(&kind, args).map(drop));
        self.0.insert(name, Kind { check, body });
        self
    }

    fn kind(&self, name: &str) -> Result<&Kind, JobError> {
        self.0.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.0.keys().map(AsRef::as_ref).collect();
            JobError::from(format!("no kind {name:?} here, only {names:?}"))
        })
    }

    fn check(&self, kind: &str, args: &Value) -> Result<(), JobError> {
        (self.kind(kind)?.check)(args)
    }
}

impl Executor for Kinds {
    type Task = Call;
    type Output = Value;

    fn run(&self, task: &Call, ctx: &RunContext) -> Answer {
        match &self.kind(&task.kind)?.body {
            Body::Work(work) => work(&task.args, ctx),
            Body::Io(_) => Err(wrong_lane(&task.kind, "only in")),
        }
    }

    fn run_io(self: Arc<Self>, task: Arc<Call>, ctx: RunContext) -> BoxFuture<'static, Answer> {
        match self.kind(&task.kind).map(|kind| &kind.body) {
            Ok(Body::Io(work)) => work(&task.args, ctx),
            // It may block, and would hold up everything else on its thread.
            Ok(Body::Work(_)) => {
                let error = wrong_lane(&task.kind, "anywhere but in");
                Box::pin(async { Err(error) })
            }
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn store(&self, task: &Call) -> Option<StoredTask> {
        Some(StoredTask {
            kind: task.kind.clone(),
            args: task.args.clone(),
        })
    }

    fn restore(&self, task: &StoredTask) -> Result<Call, JobError> {
        self.check(&task.kind, &task.args)?;
        Ok(Call {
            kind: task.kind.clone(),
            args: task.args.clone(),
        })
    }

    fn check_lane(&self, task: &Call, lane: Lane) -> Result<(), JobError> {
        match (&self.kind(&task.kind)?.body, lane) {
            (Body::Io(_), Lane::Prompt | Lane::Bulk) => Err(wrong_lane(&task.kind, "only in")),
            (Body::Work(_), Lane::Io) => Err(wrong_lane(&task.kind, "anywhere but in")),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kinds").field(&self.0.keys()).finish()
    }
}

fn wrong_lane(kind: &str, where_to: &str) -> JobError {
    format!("kind {kind:?}: its jobs run {where_to} the lane io").into()
}

/// Reads arguments. What is wrong is said with its path, since a nested `invalid type` helps nobody.
fn from_json<A: DeserializeOwned>(kind: &str, args: &Value) -> Result<A, JobError> {
    serde_path_to_error::deserialize(args).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        JobError::from(match path.as_str() {
            "." => format!("kind {kind:?}: the arguments do not fit: {reason}"),
            _ => format!("kind {kind:?}: the argument {path} does not fit: {reason}"),
        })
    })
}

fn to_json(kind: &str, output: &impl Serialize) -> Answer {
    serde_json::to_value(output)
        .map_err(|error| format!("kind {kind:?}: the output cannot be JSON: {error}").into())
}
