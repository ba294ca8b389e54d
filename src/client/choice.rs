//! Which node a command asks.

use structopt::StructOpt;

use super::{ClientError, NodeClient};

/// The port of a node that was started without a flag.
const DEFAULT_PORT: u16 = 5000;

/// Flags that name one node.
#[derive(Clone, Debug, Default, StructOpt)]
pub struct NodeChoice {
    /// The node on this port of this machine [default: 5000]
    #[structopt(short, long, conflicts_with = "url")]
    pub port: Option<u16>,
    /// The node at this address, http://host:port
    #[structopt(long, value_name = "URL")]
    pub url: Option<NodeClient>,
}

impl NodeChoice {
    /// The node that the flags name, or the one on the default port.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn node(&self) -> Result<NodeClient, ClientError> {
        match &self.url {
            Some(node) => Ok(node.clone()),
            None => NodeClient::on_port(self.port.unwrap_or(DEFAULT_PORT)),
        }
    }
}
