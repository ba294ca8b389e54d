//! Where the target of a `v2` block comes from, with real numbers.

use std::fmt;

use jbc_chain::{Bits, Block, MAX_ELAPSED_INTERVALS, Rules, Target, Unchecked, V2Rules};

use super::{Page, Subject};
use crate::commands::terminal::thousands;

/// Explains it, and compares the block's bits with what comes out.
pub(super) fn explain(subject: &Subject, rules: &V2Rules, page: &mut Page) {
    let Some(bits) = subject.block.bits() else {
        return page.row("retarget", "none: it is not a v2 block");
    };
    if bits > rules.limit {
        page.fault(&format!(
            "its bits {bits} are above the network's easiest, {}",
            rules.limit
        ));
    }
    let Some(parent) = &subject.parent else {
        return page.row(
            "retarget",
            "none: a network's first block states the bits that it begins with",
        );
    };
    check_parent(&subject.block, parent, rules, "parent", page);
    let Some(before) = parent.bits() else {
        return page.fault("its parent is not a v2 block");
    };
    let Some(grandparent) = &subject.grandparent else {
        page.row(
            "retarget",
            &format!("none: block 1 has the bits of block 0, {before}"),
        );
        return compare(bits, before, page);
    };
    check_parent(parent, grandparent, rules, "grandparent", page);
    let elapsed = millis(parent).saturating_sub(millis(grandparent));
    if elapsed <= 0 {
        return page.fault("its parent is not later than its grandparent");
    }
    let step = Step::new(rules, before, elapsed.unsigned_abs());
    show(&step, parent, grandparent, page);
    compare(bits, step.bits, page);
}

fn compare(bits: Bits, expected: Bits, page: &mut Page) {
    if bits != expected {
        page.fault(&format!("its bits are {bits}, but must be {expected}"));
    }
}

/// That a block's parent is what it says, by computed hashes.
fn check_parent(
    block: &Block<Unchecked>,
    parent: &Block<Unchecked>,
    rules: &V2Rules,
    who: &str,
    page: &mut Page,
) {
    let hash = parent.computed_hash();
    if block.prev_hash() != Some(&hash) {
        page.fault(&format!(
            "the {who} that the node gave has the hash {hash}, which is not the one that is named"
        ));
    } else if parent.index().checked_add(1) != Some(block.index()) {
        page.fault(&format!("the height of the {who} is not one less"));
    } else if block.timestamp().instant() <= parent.timestamp().instant() {
        page.fault(&format!("the {who} is not earlier"));
    } else if let Err(rejected) = parent.clone().check(&Rules::V2(*rules)) {
        page.fault(&format!("the {who}: {rejected}"));
    }
}

fn millis(block: &Block<Unchecked>) -> i64 {
    block.timestamp().instant().0 / 1_000
}

fn show(step: &Step, parent: &Block<Unchecked>, before: &Block<Unchecked>, page: &mut Page) {
    let Step { rules, .. } = step;
    let (t, n) = (rules.interval_ms, rules.window_blocks);
    let (ours, theirs) = (parent.index(), before.index());
    let next = ours.saturating_add(1); // a hostile node's may be the last number there is
    page.row(
        "retarget",
        &format!("WTEMA: T = {} ms, N = {n}", thousands(t)),
    );
    page.line(&format!(
        "target({ours}) = {} (bits {})",
        step.before.target(),
        step.before
    ));
    let elapsed = thousands(step.elapsed_ms);
    let longest = thousands(step.longest_ms);
    page.line(&format!(
        "dt = min(time({ours}) − time({theirs}), {MAX_ELAPSED_INTERVALS}T) = min({elapsed} ms, {longest} ms) = {} ms",
        thousands(step.counted_ms)
    ));
    page.line(&format!(
        "target({}) = min(limit, target({ours}) · ((N−1)·T + dt) / (N·T)) = min(limit, target({ours}) · {} / {})",
        next,
        thousands(step.factor),
        thousands(step.divisor)
    ));
    page.line(&format!("  = min({},", rules.limit.target()));
    page.line(&format!("        {})", step.quotient));
    page.line(&format!("  = {}", step.target));
    page.line(&format!(
        "bits({}) = {}, which is {}",
        next,
        step.bits,
        step.bits.target()
    ));
}

/// One step of the target, from a block to the next. FORMATS.md, WTEMA: "target(n+1) = min(limit,
/// floor(target(n) · ((N−1)·T + dt) / (N·T))), bits(n+1) = compact(target(n+1)) […] dt = min(time(n) − time(n−1), 6T)".
#[derive(Debug)]
struct Step {
    rules: V2Rules,
    before: Bits,
    elapsed_ms: u64,
    longest_ms: u64,
    counted_ms: u64,
    factor: u64,
    divisor: u64,
    quotient: Quotient,
    target: Target,
    bits: Bits,
}

impl Step {
    fn new(rules: &V2Rules, before: Bits, elapsed_ms: u64) -> Self {
        // The network's own limits, a day and 1,000 blocks, keep these far below 2^64.
        let (t, n) = (rules.interval_ms, rules.window_blocks);
        let longest_ms = t.saturating_mul(MAX_ELAPSED_INTERVALS);
        let counted_ms = elapsed_ms.min(longest_ms);
        let factor = (n.saturating_sub(1))
            .saturating_mul(t)
            .saturating_add(counted_ms);
        let divisor = n.saturating_mul(t).max(1);
        let quotient = Quotient::new(&before.target(), factor, divisor);
        let target = quotient.target().min(rules.limit.target());
        Self {
            rules: *rules,
            before,
            elapsed_ms,
            longest_ms,
            counted_ms,
            factor,
            divisor,
            quotient,
            target,
            bits: rules.next_bits(before, elapsed_ms),
        }
    }
}

/// A target times a number by a number: of up to 320 bits, most significant word first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quotient([u64; 5]);

impl Quotient {
    /// Long multiplication and division in words of 64 bits, as with a pencil.
    fn new(target: &Target, factor: u64, divisor: u64) -> Self {
        let bytes = target.to_be_bytes();
        let (mut words, mut carry) = ([0; 5], 0_u128);
        for (word, bytes) in words[1..].iter_mut().zip(bytes.as_chunks::<8>().0).rev() {
            let product = u128::from(u64::from_be_bytes(*bytes)) * u128::from(factor) + carry;
            (*word, carry) = (product as u64, product >> 64);
        }
        words[0] = carry as u64;
        let mut rest = 0_u128;
        for word in &mut words {
            let dividend = rest << 64 | u128::from(*word);
            *word = (dividend / u128::from(divisor)) as u64;
            rest = dividend % u128::from(divisor);
        }
        Self(words)
    }

    /// The largest target where it is above that.
    fn target(&self) -> Target {
        if self.0[0] > 0 {
            return Target::MAX;
        }
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(&self.0[1..]) {
            *bytes = word.to_be_bytes();
        }
        Target::from_be_bytes(bytes)
    }
}

impl fmt::Display for Quotient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0[0] > 0 {
            write!(f, "{:x}", self.0[0])?;
        }
        self.0[1..]
            .iter()
            .try_for_each(|word| write!(f, "{word:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_that_are_shown_give_the_bits_that_the_rules_want() {
        let limits = ["207fffff", "1e0fffff", "0200ff00", "1d00ffff", "01010000"];
        for limit in limits.map(|bits| bits.parse::<Bits>().unwrap()) {
            for (interval_ms, window_blocks) in [(5_000, 30), (100, 2), (86_400_000, 10_000)] {
                let rules = V2Rules {
                    interval_ms,
                    limit,
                    window_blocks,
                };
                for before in limits.map(|bits| bits.parse::<Bits>().unwrap()) {
                    for elapsed_ms in [1, 4_812, 5_000, 29_999, 30_000, 600_000, u64::MAX] {
                        let step = Step::new(&rules, before, elapsed_ms);
                        let zero = step.target == Target::from_be_bytes([0; 32]);
                        // A target of zero stays what it was.
                        let bits = if zero {
                            before
                        } else {
                            Bits::from_target(&step.target)
                        };
                        assert_eq!(bits, step.bits, "{step:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_quotient_of_known_numbers() {
        let one = Target::from_be_bytes([0xff; 32]);
        assert_eq!(Quotient::new(&one, 1, 1).target(), one);
        assert_eq!(
            Quotient::new(&one, 16, 1).to_string(),
            format!("f{}0", "f".repeat(63))
        );
        // 16/17 of all ones: 0xff / 17 is 0x0f, again and again.
        let expected = "f0".repeat(32);
        assert_eq!(Quotient::new(&one, 16, 17).target().to_string(), expected);
    }
}
