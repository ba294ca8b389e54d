//! The Merkle tree over a block's entries, drawn.

use jbc_chain::{Hash, leaf_hash};

use super::{Page, root_of};
use crate::commands::terminal::{one_line, thousands};

/// Entries that a tree is drawn with to the last; of more only its upper levels.
const DRAWN_ENTRIES: usize = 32;
/// Levels of a tree of more entries that are drawn, below its root.
const DRAWN_LEVELS: usize = 4;
/// Characters of an entry.
const ENTRY_CHARS: usize = 72;

/// Draws it, and compares its root with the one that the header states.
pub(super) fn explain(entries: &[Vec<u8>], stated: Option<Hash>, page: &mut Page) {
    let Some(root) = root_of(entries) else {
        page.row("entries", "none");
        return page.fault("it has no entries, where a block has its miner's own at least");
    };
    let (count, plural) = (entries.len(), if entries.len() == 1 { "y" } else { "ies" });
    page.row(
        "entries",
        &format!(
            "{} entr{plural}; the Merkle root over them (RFC 6962): {root}",
            thousands(count)
        ),
    );
    let depth = if count <= DRAWN_ENTRIES {
        usize::MAX
    } else {
        DRAWN_LEVELS
    };
    draw(entries, 0, depth, ("", ""), page);
    if let Some(stated) = stated.filter(|stated| *stated != root) {
        page.fault(&format!(
            "merkle-root: the header states {stated}, but its entries have the root {root}"
        ));
    }
}

/// Draws the tree over these entries, the first of which is number `from` of the block.
fn draw(
    entries: &[Vec<u8>],
    from: usize,
    depth: usize,
    (mark, below): (&str, &str),
    page: &mut Page,
) {
    let hash = hash_of(entries);
    if let [entry] = entries {
        return page.line(&format!(
            "{mark}{}  entry {from}: {}",
            hash.short(),
            text_of(entry)
        ));
    }
    if depth == 0 {
        let (last, count) = (from + entries.len() - 1, entries.len());
        return page.line(&format!(
            "{mark}{}  over the {count} entries {from} to {last}",
            hash.short()
        ));
    }
    page.line(&format!("{mark}{}", hash.short()));
    // RFC 6962: "Let k be the largest power of two smaller than n".
    let half = entries.len().next_power_of_two() / 2;
    let (left, right) = entries.split_at(half);
    let (left_below, right_below) = (format!("{below}│ "), format!("{below}  "));
    draw(
        left,
        from,
        depth - 1,
        (&format!("{below}├─"), &left_below),
        page,
    );
    draw(
        right,
        from + half,
        depth - 1,
        (&format!("{below}└─"), &right_below),
        page,
    );
}

fn hash_of(entries: &[Vec<u8>]) -> Hash {
    root_of(entries).unwrap_or_else(|| leaf_hash(&[]))
}

/// An entry on one line: as text, or in hex where it is none.
fn text_of(entry: &[u8]) -> String {
    match std::str::from_utf8(entry) {
        Ok(text) => format!("\"{}\"", one_line(text, ENTRY_CHARS)),
        Err(_) => {
            let hex: String = entry
                .iter()
                .take(ENTRY_CHARS)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("hex {}", one_line(&hex, ENTRY_CHARS))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jbc_chain::node_hash;

    fn drawn(entries: &[Vec<u8>]) -> String {
        let mut page = Page::default();
        explain(entries, root_of(entries), &mut page);
        assert!(page.faults.is_empty(), "{:?}", page.faults);
        page.text
    }

    fn entries(count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|number| format!("entry {number}").into_bytes())
            .collect()
    }

    #[test]
    fn a_tree_of_five_is_split_as_rfc_6962_says() {
        let mut entries = entries(5);
        entries[3] = vec![0xff, 0x00];
        entries[4] = b"two\nlines".to_vec();
        let leaf: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let (one, two) = (node_hash(&leaf[0], &leaf[1]), node_hash(&leaf[2], &leaf[3]));
        let four = node_hash(&one, &two);
        let root = node_hash(&four, &leaf[4]);
        let expected = format!(
            "entries      5 entries; the Merkle root over them (RFC 6962): {root}
  {}
  ├─{}
  │ ├─{}
  │ │ ├─{}  entry 0: \"entry 0\"
  │ │ └─{}  entry 1: \"entry 1\"
  │ └─{}
  │   ├─{}  entry 2: \"entry 2\"
  │   └─{}  entry 3: hex ff00
  └─{}  entry 4: \"two\\nlines\"
",
            root.short(),
            four.short(),
            one.short(),
            leaf[0].short(),
            leaf[1].short(),
            two.short(),
            leaf[2].short(),
            leaf[3].short(),
            leaf[4].short(),
        );
        assert_eq!(drawn(&entries), expected);
    }

    #[test]
    fn small_trees_are_drawn_fully_and_of_large_ones_the_upper_levels() {
        assert_eq!(drawn(&entries(1)).lines().count(), 2);
        assert_eq!(drawn(&entries(32)).matches("entry ").count(), 64);
        let large = drawn(&entries(1_000));
        assert!(large.contains("over the 64 entries 0 to 63\n"), "{large}");
        assert!(large.lines().count() <= 32, "{large}");
        let odd = drawn(&entries(33));
        assert!(
            odd.contains("entry 32: \"entry 32\"") && odd.contains("over the 4 entries 28 to 31"),
            "{odd}"
        );
    }

    #[test]
    fn a_root_that_is_not_the_headers_is_a_fault() {
        let mut page = Page::default();
        explain(&entries(3), root_of(&entries(4)), &mut page);
        assert_eq!(page.faults.len(), 1);
        assert!(page.faults[0].starts_with("merkle-root: the header states"));
    }

    #[test]
    fn a_block_without_entries_is_a_fault() {
        let mut page = Page::default();
        explain(&[], None, &mut page);
        assert_eq!(page.faults.len(), 1);
    }
}
