//! Exports from canned nodes into files that are new, torn, on another branch, or something else.

use std::fs;

use jbc_chain::{Block, Unchecked};

use super::*;
use crate::client::canned::Canned;
use crate::commands::chain::fixtures::{
    NOW, block_lines, block_list, header_lines, header_list, network, next, plain_chain,
    status_json,
};

/// A node that serves this chain in pages of `page` blocks.
fn node(blocks: &[Block<Unchecked>], page: usize) -> (NodeClient, Canned) {
    let mut answers = vec![
        ("GET /status", status_json(&network("export"), blocks)),
        ("GET /network", network("export").to_json()),
    ];
    // Whoever has a longer chain asks above this one's end.
    for index in 0..blocks.len() + 10 {
        let from = blocks.len().min(index);
        let until = blocks.len().min(from + page);
        let path = format!("GET /blocks?from={index}&");
        answers.push((path.leak(), block_list(&blocks[from..until])));
        // Asked one by one for hashes, and in pages for headers.
        let until = blocks.len().min(from + 1);
        let path = format!("GET /headers?from={index}&count=1 ");
        answers.push((path.leak(), header_list(&blocks[from..until])));
        let until = blocks.len().min(from + page);
        let path = format!("GET /headers?from={index}&count=2000 ");
        answers.push((path.leak(), header_list(&blocks[from..until])));
    }
    let server = Canned::serve(answers);
    (NodeClient::new(&server.url).unwrap(), server)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(text: Option<&[u8]>) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        if let Some(text) = text {
            fs::write(folder.path(), text).unwrap();
        }
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("chain.jsonl")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    async fn export(&self, node: &NodeClient, part: Part) -> anyhow::Result<Exported> {
        export(node, network("export"), part, &self.path(), NOW).await
    }
}

#[tokio::test]
async fn a_chain_is_written_line_by_line_and_its_headers_too() {
    let blocks = plain_chain(&network("export"), 11);
    let (node, _server) = node(&blocks, 4);
    for (part, expected) in [
        (Part::Blocks, block_lines(&blocks)),
        (Part::Headers, header_lines(&blocks)),
    ] {
        let folder = Folder::with(None);
        let exported = folder.export(&node, part).await.unwrap();
        assert_eq!((exported.lines, exported.kept), (11, 0));
        assert_eq!(folder.text(), expected);
        let again = folder.export(&node, part).await.unwrap();
        assert_eq!((again.lines, again.kept), (11, 11));
        assert_eq!(folder.text(), expected);
    }
}

#[tokio::test]
async fn an_export_goes_on_wherever_it_was_cut() {
    let blocks = plain_chain(&network("export"), 5);
    let whole = block_lines(&blocks);
    let (node, _server) = node(&blocks, 4);
    for cut in (0..=whole.len()).step_by(23) {
        let folder = Folder::with(Some(&whole.as_bytes()[..cut]));
        let exported = folder.export(&node, Part::Blocks).await.unwrap();
        let kept = whole[..cut].matches('\n').count() as u64;
        assert_eq!((exported.lines, exported.kept), (5, kept), "cut at {cut}");
        assert_eq!(folder.text(), whole, "cut at {cut}");
    }
}

#[tokio::test]
async fn blocks_of_a_branch_that_the_node_left_are_replaced() {
    let left = plain_chain(&network("export"), 9);
    let mut blocks = left[..4].to_vec();
    while blocks.len() < 12 {
        let block = next(blocks.last().unwrap(), &[b"the other branch"]);
        blocks.push(block);
    }
    let (node, _server) = node(&blocks, 100);
    for torn in ["", "{\"version\":2,\"ind"] {
        let text = block_lines(&left) + torn;
        let folder = Folder::with(Some(text.as_bytes()));
        let exported = folder.export(&node, Part::Blocks).await.unwrap();
        assert_eq!(exported.lines, 12);
        assert_eq!(exported.kept, 4);
        assert_eq!(folder.text(), block_lines(&blocks));
    }
}

/// A branch that leaves `blocks` after `shared` of them and has `count` in all.
fn branch(blocks: &[Block<Unchecked>], shared: usize, count: usize) -> Vec<Block<Unchecked>> {
    let mut branch = blocks[..shared].to_vec();
    while branch.len() < count {
        let block = next(branch.last().unwrap(), &[b"the other branch"]);
        branch.push(block);
    }
    branch
}

#[tokio::test]
async fn a_file_is_left_alone_by_a_node_that_is_behind_it() {
    let blocks = plain_chain(&network("export"), 9);
    for (part, text) in [
        (Part::Blocks, block_lines(&blocks)),
        (Part::Headers, header_lines(&blocks)),
    ] {
        for (known, torn) in [(1, ""), (5, ""), (8, "{\"version\":2,\"ind")] {
            let (node, _server) = node(&blocks[..known], 3);
            let text = text.clone() + torn;
            let folder = Folder::with(Some(text.as_bytes()));
            let error = folder.export(&node, part).await.unwrap_err().to_string();
            assert!(
                error.contains("is left as it is") && error.contains("is behind it"),
                "{error}"
            );
            assert_eq!(folder.text(), text, "the node knows {known} blocks");
        }
    }
}

#[tokio::test]
async fn a_file_is_left_alone_by_a_node_whose_branch_has_not_more_work() {
    let blocks = plain_chain(&network("export"), 9);
    for (shared, count) in [(8, 9), (4, 9), (4, 7), (1, 9)] {
        let (node, _server) = node(&branch(&blocks, shared, count), 3);
        let text = block_lines(&blocks) + "{\"torn";
        let folder = Folder::with(Some(text.as_bytes()));
        let error = folder.export(&node, Part::Blocks).await.unwrap_err();
        let reason = format!("another chain from block {shared} on, which holds no more work");
        assert!(error.to_string().contains(&reason), "{error}");
        assert_eq!(
            folder.text(),
            text,
            "{count} blocks, {shared} of them shared"
        );
    }
}

#[tokio::test]
async fn a_file_is_cut_for_a_branch_of_more_work_only_once_all_of_it_was_checked() {
    let blocks = plain_chain(&network("export"), 9);
    let mut other = branch(&blocks, 4, 12);
    let (good, _server) = node(&other, 3);
    let folder = Folder::with(Some(block_lines(&blocks).as_bytes()));
    let exported = folder.export(&good, Part::Blocks).await.unwrap();
    assert_eq!((exported.lines, exported.kept), (12, 4));
    assert_eq!(folder.text(), block_lines(&other));

    other.remove(10);
    let (bad, _server) = node(&other, 3);
    let folder = Folder::with(Some(block_lines(&blocks).as_bytes()));
    let error = folder.export(&bad, Part::Blocks).await.unwrap_err();
    assert!(error.to_string().contains("rule `index`"), "{error}");
    assert_eq!(folder.text(), block_lines(&blocks));
}

#[tokio::test]
async fn a_file_that_is_something_else_is_left_as_it_is() {
    let blocks = plain_chain(&network("export"), 5);
    let (node, server) = node(&blocks, 100);
    let (lines, headers) = (block_lines(&blocks), header_lines(&blocks));
    let other = plain_chain(&network("another"), 3);
    for (text, reason) in [
        ("a diary\n".to_owned(), "line 1: field `body`"),
        ("a diary".to_owned(), "line 1: is not the start"),
        (headers, "line 1: a header without its entries"),
        (
            block_lines(&other),
            "line 1: block 0: refused by rule `genesis`",
        ),
        (format!("{lines}\n"), "line 6: field `body`"),
        (
            lines.replacen("\"index\":3", "\"index\": 3", 1),
            "line 4: is not spelled",
        ),
        (
            lines.replacen("\"index\":3", "\"index\":2", 1),
            "line 4: block 2: refused by rule `index`",
        ),
        (
            [block_lines(&blocks[..2]), block_lines(&blocks[3..])].concat(),
            "line 3: block 3",
        ),
    ] {
        let folder = Folder::with(Some(text.as_bytes()));
        let error = folder.export(&node, Part::Blocks).await.unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains(reason), "{said}");
        assert_eq!(folder.text(), text);
    }
    let asked = server.requests();
    assert!(
        !asked.iter().any(|request| request.contains("/blocks")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_was_good_of_a_bad_chain_stays_and_the_fault_is_named() {
    let mut blocks = plain_chain(&network("export"), 9);
    blocks.remove(6);
    let (node, _server) = node(&blocks, 5);
    let folder = Folder::with(None);
    let error = folder.export(&node, Part::Blocks).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("block 7: refused by rule `index`"),
        "{error}"
    );
    assert_eq!(folder.text(), block_lines(&blocks[..6]));
}

#[tokio::test]
async fn only_one_export_writes_a_file() {
    let folder = Folder::with(None);
    let mut follower = Follower::new(network("export"), NOW);
    let _open = Export::open(&folder.path(), Part::Blocks, &mut follower).unwrap();
    let mut second = Follower::new(network("export"), NOW);
    let error = Export::open(&folder.path(), Part::Blocks, &mut second).err();
    assert!(error.unwrap().to_string().contains("another export"));
}

#[tokio::test]
async fn the_network_is_the_built_in_one_or_the_nodes_or_the_flags() {
    use super::pinned::{Pin, network_of};
    let blocks = plain_chain(&network("export"), 2);
    let (node, _server) = node(&blocks, 5);
    let (network_found, pin) = network_of(&node, None).await.unwrap();
    assert_eq!((network_found, pin), (network("export"), Pin::Node));
    let error = network_of(&node, Some("dev")).await.unwrap_err();
    assert!(error.to_string().contains("not of dev, "), "{error}");

    let liar = Canned::serve(vec![
        ("GET /status", status_json(&network("export"), &blocks)),
        ("GET /network", network("another").to_json()),
    ]);
    let liar = NodeClient::new(&liar.url).unwrap();
    let error = network_of(&liar, None).await.unwrap_err();
    assert!(
        error.to_string().contains("describes the network"),
        "{error}"
    );

    let dev = Canned::serve(vec![("GET /status", status_json(&Network::dev(), &blocks))]);
    let dev = NodeClient::new(&dev.url).unwrap();
    let found = network_of(&dev, None).await.unwrap();
    assert_eq!(found, (Network::dev(), Pin::BuiltIn));
}
