//! The `v2` format from its text to the chain; `retargeting.rs` has the simulation of its difficulty.

use jbc_chain::Network;

#[test]
fn dev_is_the_built_in_network_of_issue_5() {
    let network = Network::dev();
    assert_eq!(network.genesis.hash().short(), "0000009de228");
    assert_eq!(network.genesis.bits().unwrap().to_string(), "1e00d6bf");
    assert_eq!(
        network.describe(),
        "dev, a block each 5 s, genesis 0000009de228"
    );
    assert_eq!(
        Network::from_json(network.to_json().as_bytes()).unwrap(),
        network
    );
}
