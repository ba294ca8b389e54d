//! `jbc-sched`: looks into a node's scheduler and steers it.
//!
//! - `nodes.rs`: which nodes run here, and the token that steers one.
//! - `stored.rs`: what stopped nodes have left in their data folders.
//! - `layout.rs`: jobs and runs as text, a pure function of both.

mod layout;
mod nodes;
mod stored;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;
use structopt::StructOpt;
use structopt::clap::ArgGroup;

use self::layout::Layout;
use self::nodes::LocalNode;
use super::in_one_line;
use super::terminal::{Canvas, Style, now, print, quiet_if_closed};
use crate::client::{NodeClient, Steer};

/// Time between two looks of `--watch`, in milliseconds.
const WATCH_MS: u64 = 1_000;

/// Look into the schedulers of running nodes, and steer their jobs
#[derive(Debug, StructOpt)]
#[structopt(
    name = "jbc-sched",
    group = ArgGroup::with_name("action"),
    group = ArgGroup::with_name("steering"),
    group = ArgGroup::with_name("node"),
    long_about = "Look into the schedulers of running nodes, and steer their jobs

Everything a node does is a job with an id: mining, validate:…, sync, poll. Without --port and --url all nodes that run from \
the data folder are asked; where none runs, --list-jobs and --list-dead show what the stopped nodes have stored. \
Steering needs the node's token, which is read from its data folder; another machine's node takes it from --token or from the environment variable JBC_TOKEN.",
    after_help = "EXAMPLES:
    jbc-sched --list-jobs --watch                 what all nodes on this machine are doing, again every second
    jbc-sched --list-jobs --port 5001 -o wide     one node, with priorities and what runs for how long
    jbc-sched --history --port 5001               the runs that have ended, newest last
    jbc-sched --pause mining --port 5001          stop mining (one job a thread: mining, mining/1, …)
    jbc-sched --resume mining --port 5001         go on
    jbc-sched --list-jobs --data-dir chaindata    with no node running: what is stored of their jobs
    jbc-sched --list-dead                         what has failed for good; --requeue ID tries it again
    jbc-sched --run audit --url http://10.0.0.7:5000 --token \"$(ssh 10.0.0.7 cat jbc/chaindata/5000/token)\"

EXIT CODE: 0 done, 1 not done, or no node found"
)]
pub struct SchedArgs {
    /// List the jobs that exist (what happens without a flag)
    #[structopt(long, group = "action")]
    pub list_jobs: bool,
    /// List the runs that have ended, newest last
    #[structopt(long, group = "action")]
    pub history: bool,
    /// List the jobs that failed as often as they may, oldest first
    #[structopt(long, group = "action")]
    pub list_dead: bool,
    /// Start no run of this job until it is resumed, also after a restart of the node
    #[structopt(long, value_name = "ID", groups = &["action", "steering"])]
    pub pause: Option<String>,
    /// End a pause
    #[structopt(long, value_name = "ID", groups = &["action", "steering"])]
    pub resume: Option<String>,
    /// Take this job off the scheduler, and cancel what of it runs
    #[structopt(long, value_name = "ID", groups = &["action", "steering"])]
    pub remove: Option<String>,
    /// Run this job now, whatever its trigger says
    #[structopt(long, value_name = "ID", groups = &["action", "steering"])]
    pub run: Option<String>,
    /// Take this job out of the dead list and run it again
    #[structopt(long, value_name = "ID", groups = &["action", "steering"])]
    pub requeue: Option<String>,
    /// Take this job out of the dead list for good
    #[structopt(long, value_name = "ID", groups = &["action", "steering"])]
    pub forget: Option<String>,
    /// The node on this port of this machine
    #[structopt(short, long, group = "node")]
    pub port: Option<u16>,
    /// The node at this address, http://host:port
    #[structopt(long, group = "node")]
    pub url: Option<NodeClient>,
    /// wide: aligned columns with all there is to see; json: the API's own objects [default: as APScheduler's print_jobs]
    #[structopt(short, long, value_name = "FORMAT", possible_values = &["wide", "json"], conflicts_with = "steering")]
    pub output: Option<String>,
    /// Look again every second, until Ctrl-C; where there is no terminal, print again what has changed
    #[structopt(short, long, conflicts_with = "steering")]
    pub watch: bool,
    /// How many runs of the history, at most
    #[structopt(long, value_name = "N", default_value = "50")]
    pub count: u64,
    /// The token of the node to steer [default: the one in its data folder, else JBC_TOKEN]
    #[structopt(long, hide_env_values = true)]
    pub token: Option<String>,
    /// Where nodes of this machine keep their data folders
    #[structopt(
        long,
        value_name = "DIR",
        default_value = "chaindata",
        parse(from_os_str)
    )]
    pub data_dir: PathBuf,
}

/// What is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Jobs,
    History { count: u64 },
    Dead,
}

impl View {
    /// Its name in the API's answer.
    fn key(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::History { .. } => "runs",
            Self::Dead => "dead",
        }
    }

    /// Whether a stopped node has left it behind.
    fn is_stored(self) -> bool {
        !matches!(self, Self::History { .. })
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// To a job, which then stands in some way.
    Steer(Steer),
    /// Forget a dead job.
    Forget,
}

impl SchedArgs {
    fn steering(&self) -> Option<(Action, &str)> {
        let actions = [
            (Action::Steer(Steer::Pause), &self.pause),
            (Action::Steer(Steer::Resume), &self.resume),
            (Action::Steer(Steer::Remove), &self.remove),
            (Action::Steer(Steer::Run), &self.run),
            (Action::Steer(Steer::Requeue), &self.requeue),
            (Action::Forget, &self.forget),
        ];
        actions
            .into_iter()
            .find_map(|(action, id)| id.as_deref().map(|id| (action, id)))
    }

    fn view(&self) -> View {
        if self.history {
            View::History { count: self.count }
        } else if self.list_dead {
            View::Dead
        } else {
            View::Jobs
        }
    }

    fn is_json(&self) -> bool {
        self.output.as_deref() == Some("json")
    }

    /// The one node that the flags name, if they do.
    fn named_node(&self) -> anyhow::Result<Option<NodeClient>> {
        Ok(match (&self.url, self.port) {
            (Some(node), _) => Some(node.clone()),
            (None, Some(port)) => Some(NodeClient::on_port(port)?),
            (None, None) => None,
        })
    }
}

/// Runs `jbc-sched`.
///
/// # Errors
/// No node to ask, or what it refused.
pub async fn run(args: SchedArgs) -> anyhow::Result<ExitCode> {
    let result = match args.steering() {
        Some((action, id)) => steer(&args, action, id).await,
        None if args.watch => tokio::select! {
            result = watch(&args) => result,
            result = tokio::signal::ctrl_c() => result.map_err(Into::into),
        },
        None => look(&args).await,
    };
    quiet_if_closed(result.map(|()| ExitCode::SUCCESS))
}

async fn look(args: &SchedArgs) -> anyhow::Result<()> {
    let seen = see(args).await?;
    print(&seen.text)?;
    match seen.failure {
        Some(reason) => bail!(reason),
        None => Ok(()),
    }
}

/// Looks again and again. A node that stops is said so in its place; only with no node at the start is there no point.
async fn watch(args: &SchedArgs) -> anyhow::Result<()> {
    let live = Style::of_stdout().live && !args.is_json();
    let mut canvas = Canvas::default();
    let mut before = None;
    loop {
        let seen = match see(args).await {
            Err(error) if before.is_none() => return Err(error),
            Err(error) => Seen {
                text: in_one_line(&error) + "\n",
                lasting: error.to_string(),
                failure: None,
            },
            Ok(seen) => seen,
        };
        if live {
            canvas.draw(&seen.text)?;
        } else if before.as_ref() != Some(&seen.lasting) {
            print(&seen.text)?;
        }
        before = Some(seen.lasting);
        tokio::time::sleep(Duration::from_millis(WATCH_MS)).await;
    }
}

/// What was seen.
struct Seen {
    text: String,
    /// The text without what changes all the time, such as how long something has been running.
    lasting: String,
    /// What could not be seen, although some could.
    failure: Option<String>,
}

async fn see(args: &SchedArgs) -> anyhow::Result<Seen> {
    let shown = Layout {
        wide: args.output.as_deref() == Some("wide"),
        style: Style::of_stdout(),
        now: Some(now()),
    };
    let nodes = match args.named_node()? {
        Some(node) => vec![node],
        None => {
            let found = nodes::running_from(&args.data_dir).await;
            if found.is_empty() {
                return stored::see(args, shown);
            }
            found.into_iter().map(|node| node.client).collect()
        }
    };
    let mut seen = Seen {
        text: String::new(),
        lasting: String::new(),
        failure: None,
    };
    if args.is_json() {
        seen.text = json_of(args, &nodes).await?;
        seen.lasting.clone_from(&seen.text);
        return Ok(seen);
    }
    let lasting = Layout { now: None, ..shown };
    for node in &nodes {
        if !seen.text.is_empty() {
            seen.text.push('\n');
        }
        let status = node.status().await?;
        let (now, later) = match args.view() {
            View::Jobs => {
                let jobs = node.jobs().await?;
                (shown.jobs(&jobs), lasting.jobs(&jobs))
            }
            View::History { count } => {
                let runs = node.history(count).await?;
                (shown.history(&runs), lasting.history(&runs))
            }
            View::Dead => {
                let dead = node.dead().await?;
                (shown.dead(&dead), lasting.dead(&dead))
            }
        };
        seen.text += &(shown.head(node.url(), &status) + &now);
        seen.lasting += &later;
    }
    Ok(seen)
}

/// The API's own objects: of the node that the flags name as it answers them, of nodes that were found a list.
async fn json_of(args: &SchedArgs, nodes: &[NodeClient]) -> anyhow::Result<String> {
    let (key, mut lists) = (args.view().key(), Vec::new());
    for node in nodes {
        let list = match args.view() {
            View::Jobs => node.jobs_json().await?,
            View::History { count } => node.history_json(count).await?,
            View::Dead => node.dead_json().await?,
        };
        lists.push((node.url(), list));
    }
    let named = args.port.is_some() || args.url.is_some();
    let texts: Vec<String> = lists
        .iter()
        .map(|(url, list)| match named {
            true => format!("{{\"{key}\":{list}}}"),
            false => format!("{{\"url\":{},\"{key}\":{list}}}", json!(url)),
        })
        .collect();
    Ok(if named {
        format!("{}\n", texts.concat())
    } else {
        format!("[{}]\n", texts.join(",\n"))
    })
}

/// What is said where no node runs and none is named.
fn no_node(args: &SchedArgs) -> String {
    format!(
        "no node is running from {}/ (`jbc node` starts one; --data-dir, --port and --url look elsewhere)",
        args.data_dir.display()
    )
}

async fn steer(args: &SchedArgs, action: Action, id: &str) -> anyhow::Result<()> {
    let (node, folder) = match args.named_node()? {
        Some(node) => {
            let folder = nodes::folder_of(&node, &args.data_dir).await;
            (node, folder)
        }
        None => match <[LocalNode; 1]>::try_from(nodes::running_from(&args.data_dir).await) {
            Ok([node]) => (node.client, Some(node.folder)),
            Err(nodes) if nodes.is_empty() => bail!(no_node(args)),
            Err(nodes) => {
                let urls: Vec<&str> = nodes.iter().map(|node| node.client.url()).collect();
                bail!(
                    "several nodes are running: say which one with --port or --url: {}",
                    urls.join(", ")
                );
            }
        },
    };
    let token = match &args.token {
        Some(token) => token.clone(),
        None => nodes::token(folder.as_deref())?.with_context(|| {
            format!(
                "no token for {}: no node of {}/ runs there; give --token (it is the content of `token` in the node's \
                 data folder)",
                node.url(),
                args.data_dir.display()
            )
        })?,
    };
    let layout = Layout {
        wide: false,
        style: Style::of_stdout(),
        now: Some(now()),
    };
    let text = match action {
        Action::Steer(action) => {
            let job = node.steer(action, id, token.trim()).await?;
            layout.steered(node.url(), action, &job)
        }
        Action::Forget => {
            let dead = node.forget(id, token.trim()).await?;
            layout.forgotten(node.url(), &dead)
        }
    };
    print(&text)?;
    Ok(())
}

#[cfg(test)]
mod tests;
