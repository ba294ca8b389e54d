//! By which network's rules a node's chain is checked.

use anyhow::bail;
use jbc_chain::Network;

use crate::client::NodeClient;
use crate::commands::terminal::printable;
use crate::config;

/// Where the network is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Pin {
    /// A flag says it.
    Flag,
    /// It is built in.
    BuiltIn,
    /// The node says it, and nobody else.
    Node,
}

impl Pin {
    pub(in crate::commands) fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "as --network says",
            Self::BuiltIn => "built in",
            Self::Node => "as the node says; --network FILE pins it",
        }
    }

    /// Says so, of this network, whose name may be a stranger's.
    pub(in crate::commands) fn line(self, network: &Network) -> String {
        let (network, pin) = (printable(&network.describe()), self.as_str());
        format!("network {network} ({pin})\n")
    }
}

/// The network of a node: the one of the flag, which has to be the node's; else the built-in one that the node names; else
/// the one that the node describes, which has to be the one it names.
///
/// # Errors
/// No answer, or the node is of another network.
pub(in crate::commands) async fn network_of(
    node: &NodeClient,
    flag: Option<&str>,
) -> anyhow::Result<(Network, Pin)> {
    let flag = flag.map(config::network).transpose()?;
    let claim = node.status().await?.network;
    if let Some(network) = flag {
        if network.fingerprint() != claim.id {
            bail!(
                "{}: is a node of the network {} ({}), not of {}",
                node.url(),
                claim.name.escape_debug(),
                claim.id.escape_debug(),
                network.describe()
            );
        }
        return Ok((network, Pin::Flag));
    }
    let mut built_in = Network::built_in().into_iter();
    if let Some(network) = built_in.find(|network| network.fingerprint() == claim.id) {
        return Ok((network, Pin::BuiltIn));
    }
    let network = node.network().await?;
    if network.fingerprint() != claim.id {
        bail!(
            "{}: describes the network {}, but says that its network is {}",
            node.url(),
            network.fingerprint(),
            claim.id.escape_debug()
        );
    }
    Ok((network, Pin::Node))
}
