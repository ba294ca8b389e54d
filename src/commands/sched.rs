//! `jbc-sched`: looks into a node's scheduler and steers it.
//!
//! - `nodes.rs`: which nodes run here, and the token that steers one.
//! - `layout.rs`: jobs and runs as text, a pure function of both.

mod layout;
mod nodes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;
use structopt::StructOpt;
use structopt::clap::ArgGroup;

use self::layout::Layout;
use self::nodes::LocalNode;
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
the data folder are asked. Steering needs the node's token, which is read from its data folder; another machine's node \
takes it from --token or from the environment variable JBC_TOKEN.",
    after_help = "EXAMPLES:
    jbc-sched --list-jobs --watch                 what all nodes on this machine are doing, again every second
    jbc-sched --list-jobs --port 5001 -o wide     one node, with priorities and what runs for how long
    jbc-sched --history --port 5001               the runs that have ended, newest last
    jbc-sched --pause mining --port 5001          stop mining (one job a thread: mining, mining/1, …)
    jbc-sched --resume mining --port 5001         go on
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
    /// Start no run of this job until it is resumed
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
}

impl SchedArgs {
    fn steering(&self) -> Option<(Steer, &str)> {
        let actions = [
            (Steer::Pause, &self.pause),
            (Steer::Resume, &self.resume),
            (Steer::Remove, &self.remove),
            (Steer::Run, &self.run),
        ];
        actions
            .into_iter()
            .find_map(|(steer, id)| id.as_deref().map(|id| (steer, id)))
    }

    fn view(&self) -> View {
        if self.history {
            View::History { count: self.count }
        } else {
            View::Jobs
        }
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
    Ok(())
}

/// Looks again and again. A node that stops is said so in its place; only with no node at the start is there no point.
async fn watch(args: &SchedArgs) -> anyhow::Result<()> {
    let live = Style::of_stdout().live && args.output.as_deref() != Some("json");
    let mut canvas = Canvas::default();
    let mut before = None;
    loop {
        let seen = match see(args).await {
            Err(error) if before.is_none() => return Err(error),
            Err(error) => Seen {
                text: format!("{error:#}\n"),
                lasting: error.to_string(),
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
}

async fn see(args: &SchedArgs) -> anyhow::Result<Seen> {
    let nodes = match args.named_node()? {
        Some(node) => vec![node],
        None => found_nodes(args)
            .await?
            .into_iter()
            .map(|node| node.client)
            .collect(),
    };
    if args.output.as_deref() == Some("json") {
        let text = json_of(args, &nodes).await?;
        return Ok(Seen {
            lasting: text.clone(),
            text,
        });
    }
    let wide = args.output.as_deref() == Some("wide");
    let shown = Layout {
        wide,
        style: Style::of_stdout(),
        now: Some(now()),
    };
    let lasting = Layout { now: None, ..shown };
    let mut seen = Seen {
        text: String::new(),
        lasting: String::new(),
    };
    for node in &nodes {
        if !seen.text.is_empty() {
            seen.text.push('\n');
        }
        let status = node.status().await?;
        match args.view() {
            View::Jobs => {
                let jobs = node.jobs().await?;
                seen.text += &(shown.head(node.url(), &status) + &shown.jobs(&jobs));
                seen.lasting += &lasting.jobs(&jobs);
            }
            View::History { count } => {
                let runs = node.history(count).await?;
                seen.text += &(shown.head(node.url(), &status) + &shown.history(&runs));
                seen.lasting += &lasting.history(&runs);
            }
        }
    }
    Ok(seen)
}

/// The API's own objects: of the node that the flags name as it answers them, of nodes that were found a list.
async fn json_of(args: &SchedArgs, nodes: &[NodeClient]) -> anyhow::Result<String> {
    let (key, mut lists) = (if args.history { "runs" } else { "jobs" }, Vec::new());
    for node in nodes {
        let list = match args.view() {
            View::Jobs => node.jobs_json().await?,
            View::History { count } => node.history_json(count).await?,
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

async fn found_nodes(args: &SchedArgs) -> anyhow::Result<Vec<LocalNode>> {
    let nodes = nodes::running_from(&args.data_dir).await;
    if nodes.is_empty() {
        bail!(
            "no node is running from {}/ (`jbc node` starts one; --data-dir, --port and --url look elsewhere)",
            args.data_dir.display()
        );
    }
    Ok(nodes)
}

async fn steer(args: &SchedArgs, action: Steer, id: &str) -> anyhow::Result<()> {
    let (node, folder) = match args.named_node()? {
        Some(node) => {
            let folder = nodes::folder_of(&node, &args.data_dir).await;
            (node, folder)
        }
        None => match <[LocalNode; 1]>::try_from(found_nodes(args).await?) {
            Ok([node]) => (node.client, Some(node.folder)),
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
    let job = node.steer(action, id, token.trim()).await?;
    let layout = Layout {
        wide: false,
        style: Style::of_stdout(),
        now: Some(now()),
    };
    print(&layout.steered(node.url(), action, &job))?;
    Ok(())
}

#[cfg(test)]
mod tests;
