//! Pages of real blocks, and of a hostile node's.

use super::*;
use crate::client::canned::Canned;
use crate::commands::chain::fixtures::{chain, network, next, next_by, plain_chain};

fn page(subject: &Subject) -> Page {
    let mut page = Page::default();
    subject.explain(&mut page);
    page
}

fn subject(blocks: &[Block<Unchecked>], index: usize) -> Subject {
    Subject {
        network: network("explain"),
        asked: Name::Index(index as u64),
        block: blocks[index].clone(),
        parent: index.checked_sub(1).map(|index| blocks[index].clone()),
        grandparent: index.checked_sub(2).map(|index| blocks[index].clone()),
    }
}

fn of_first(network: Network) -> Subject {
    Subject {
        block: network.genesis.clone().into_unchecked(),
        asked: Name::Hash(*network.genesis.hash()),
        network,
        parent: None,
        grandparent: None,
    }
}

#[test]
fn the_articles_first_block() {
    let page = page(&of_first(Network::classic()));
    assert_eq!(
        page.text,
        "\
block        0
prev_hash    none: a first block
data         First block data
timestamp    1508895381, that is 2017-10-25 01:36:21 UTC
nonce        631412
preimage     33 bytes on one line
  0First block data1508895381631412
check        paste this line into a shell; it prints the hash
  printf '0First block data1508895381631412' | sha256sum
hash         000002f9c703dc80340c08462a0d6acdac9d0e10eb4190f6e57af6bb0850d03c
target       00000fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
work         the hash is 5.38 times below the target, which one hash in 1,048,576 meets
retarget     none: in a classic network the target is constant
"
    );
    assert!(page.faults.is_empty());
}

#[test]
fn the_first_block_of_dev_has_seven_lines_and_no_retargeting() {
    let page = page(&of_first(Network::dev()));
    assert!(page.faults.is_empty(), "{:?}", page.faults);
    for needle in [
        "seven lines, no line end behind the last\n  jbc/2\n  0\n",
        "\n  1e00d6bf\n  2724599\ncheck ",
        "\n  printf 'jbc/2\\0120\\012",
        "retarget     none: a network's first block states",
        "entries      1 entry; the Merkle root",
        "entry 0: \"{\"interval_ms\":5000,",
    ] {
        assert!(page.text.contains(needle), "{needle}\n{}", page.text);
    }
}

#[test]
fn a_block_high_up_shows_its_retargeting() {
    let blocks = chain(&network("explain"), 6, (5, b"an entry"));
    let page_of = page;
    let page = page_of(&subject(&blocks, 5));
    assert!(page.faults.is_empty(), "{:?}", page.faults);
    for needle in [
        "retarget     WTEMA: T = 5,000 ms, N = 30\n",
        "  target(4) = 7fffff0000",
        "  dt = min(time(4) − time(3), 6T) = min(5,000 ms, 30,000 ms) = 5,000 ms\n",
        "· 150,000 / 150,000)\n",
        "  bits(5) = 207fffff, which is 7fffff0000",
        "entry 2: \"an entry\"\n",
    ] {
        assert!(page.text.contains(needle), "{needle}\n{}", page.text);
    }
    let first = page_of(&subject(&blocks, 1));
    assert!(first.faults.is_empty(), "{:?}", first.faults);
    assert!(
        first
            .text
            .contains("none: block 1 has the bits of block 0, 207fffff")
    );
}

#[test]
fn whatever_a_hostile_node_changes_is_named() {
    let blocks = plain_chain(&network("explain"), 6);
    let faults = |change: &dyn Fn(&mut Subject)| {
        let mut subject = subject(&blocks, 5);
        change(&mut subject);
        page(&subject).faults.join("\n")
    };
    let changed = |by: &dyn Fn(&mut jbc_chain::Header)| {
        let mut header = blocks[5].header().unwrap();
        by(&mut header);
        Block::v2(header, blocks[5].entries().to_vec().into())
    };
    let claimed = changed(&|header| header.hash = Hash::from_bytes([0; 32]));
    let said = faults(&|subject| subject.block = claimed.clone());
    assert!(said.contains("claims the hash 0000"), "{said}");

    let lazy = (0..).map(|nonce| changed(&|header| header.nonce = nonce));
    let target = blocks[5].bits().unwrap().target();
    let mut lazy = lazy.filter(|block| !target.is_met_by(&block.computed_hash()));
    let lazy = lazy.next().unwrap();
    let said = faults(&|subject| subject.block = lazy.clone());
    assert!(
        said.contains("above the target") && said.contains("claims the hash"),
        "{said}"
    );

    let entries = Block::v2(blocks[5].header().unwrap(), vec![b"other".to_vec()].into());
    let said = faults(&|subject| subject.block = entries.clone());
    assert!(said.contains("merkle-root"), "{said}");
    let none = Block::v2(blocks[5].header().unwrap(), Vec::new().into());
    let said = faults(&|subject| subject.block = none.clone());
    assert!(said.contains("no entries"), "{said}");

    let easier = next_by(&blocks[4], &[], |header| {
        header.bits = "2070ffff".parse().unwrap()
    });
    let said = faults(&|subject| subject.block = easier.clone());
    assert_eq!(said, "its bits are 2070ffff, but must be 207fffff");
    let said = faults(&|subject| subject.parent = Some(blocks[3].clone()));
    assert!(
        said.contains("the parent that the node gave has the hash"),
        "{said}"
    );
    let side = next(&blocks[2], &[b"side"]);
    let said = faults(&|subject| subject.grandparent = Some(side.clone()));
    assert!(
        said.contains("the grandparent that the node gave"),
        "{said}"
    );
    let said = faults(&|subject| subject.asked = Name::Index(4));
    assert!(
        said.contains("another block than the one that was asked for"),
        "{said}"
    );
    let said = faults(&|subject| subject.network = Network::classic());
    assert!(said.contains("rule `kind`"), "{said}");
    assert_eq!(faults(&|_| {}), "");
}

#[test]
fn data_that_does_not_print_is_escaped_and_the_shell_line_is_one_line() {
    let parts =
        jbc_chain::TemplateParts::genesis("a\n'$(x)'\u{1b}[2J%", "1508895381".parse().unwrap());
    let mut subject = of_first(Network::classic());
    subject.block = parts.block(0);
    let page = page(&subject);
    assert!(
        page.text
            .contains("\n  0a\\n'$(x)'\\u{1b}[2J%15088953810\n"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains(
            "\n  printf '0a\\012\\047\\044\\050x\\051\\047\\033\\1332J%%15088953810' | sha256sum\n"
        ),
        "{}",
        page.text
    );
    assert!(
        page.faults
            .iter()
            .any(|fault| fault.contains("not the first block"))
    );
}

#[tokio::test]
async fn a_block_is_asked_for_with_its_parent_and_that_ones() {
    let blocks = plain_chain(&network("explain"), 4);
    let mut answers = vec![
        (
            "GET /status",
            crate::commands::chain::fixtures::status_json(&network("explain"), &blocks),
        ),
        ("GET /network", network("explain").to_json()),
        ("GET /blocks/3 ", blocks[3].to_json()),
        ("GET /blocks/2 ", blocks[3].to_json()), // a lie
    ];
    for block in &blocks {
        let path = format!("GET /blocks/{} ", block.hash());
        answers.push((path.leak(), block.to_json()));
    }
    let server = Canned::serve(answers);
    let run = |name: &str| {
        super::run(ExplainArgs::from_iter_safe(["explain", name, "--url", &server.url]).unwrap())
    };
    run("3").await.unwrap();
    run(&blocks[1].hash().to_string()).await.unwrap();
    let error = run("2").await.unwrap_err();
    assert!(error.to_string().contains("1 wrong"), "{error}");
    assert!(run("7").await.is_err());
    for name in ["", "-1", "0x12", "ABCD", "1.5"] {
        assert!(
            ExplainArgs::from_iter_safe(["explain", name]).is_err(),
            "{name}"
        );
    }
}
