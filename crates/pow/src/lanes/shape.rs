//! Where the low digits of a group lie in the last block, and which of its words differ with them.

#[cfg(target_arch = "x86_64")]
use crate::schedule::Ahead;
use std::ops::Range;

/// Low digits of a nonce at most.
const LOW_DIGITS_MAX: usize = 4;
/// Nonces of the largest group.
const GROUP_MAX: usize = 10_usize.pow(LOW_DIGITS_MAX as u32);

/// Four ASCII digits as a big-endian word, for each of the numbers they can be.
pub(super) static DIGITS: Digits = Digits::new();

#[repr(align(64))]
pub(super) struct Digits(pub(super) [u32; GROUP_MAX]);

impl Digits {
    const fn new() -> Self {
        let mut words = [0; GROUP_MAX];
        let mut number = 0;
        while number < GROUP_MAX {
            let n = number as u32;
            let digits = [n / 1_000, n / 100 % 10, n / 10 % 10, n % 10];
            let mut i = 0;
            while i < LOW_DIGITS_MAX {
                words[number] = words[number] * 256 + digits[i] + b'0' as u32;
                i += 1;
            }
            number += 1;
        }
        Self(words)
    }
}

/// Where the low digits lie in the words of a tail, counted from the first of its (one or two) blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Low {
    /// How many they are.
    pub(super) count: usize,
    /// The word in which the last of them lies.
    pub(super) word: usize,
    /// How far their number, written as in [`DIGITS`], is shifted to the left to stand in that word.
    pub(super) left: u32,
    /// How far it is shifted to the right to stand in the word before; `None` if no low digit lies there.
    pub(super) right: Option<u32>,
}

impl Low {
    /// `None` if a nonce has fewer digits: there are but a thousand such nonces.
    pub(super) fn of(digits: &Range<usize>) -> Option<Self> {
        let bytes_in_word = (digits.end - 1) % 4 + 1;
        // Three digits that lie in one word are better than four in two.
        let count = if bytes_in_word == 3 {
            3
        } else {
            LOW_DIGITS_MAX
        };
        let bits = 8 * bytes_in_word as u32;
        (digits.len() >= count).then_some(Self {
            count,
            word: (digits.end - 1) / 4,
            left: 32 - bits,
            right: (bytes_in_word < 3).then_some(bits),
        })
    }

    /// The first word in which one of them lies.
    fn first_word(self) -> usize {
        self.word - usize::from(self.right.is_some())
    }

    /// Nonces of a group.
    pub(super) fn group(self) -> u64 {
        10_u64.pow(self.count as u32)
    }
}

/// Which words of a block are taken to differ between the lanes, and from which round on. There are but a few, since each
/// is code of its own: a word more is taken to differ than does in some layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The first word alone: where the digits before the low ones fill the block before.
    First,
    /// Words 0 to 4, from round 0 on.
    From0,
    /// Words 4 to 8, from round 4 on.
    From4,
    /// Words 8 to 12, from round 8 on.
    From8,
    /// Words 12 to 15, from round 12 on.
    From12,
    /// Word 13 alone: where the nonce fills the block up to its byte 55.
    Only13,
}

impl Shape {
    pub(super) const FIRST: u16 = 1;
    pub(super) const FROM_0: u16 = 0x001f;
    pub(super) const FROM_4: u16 = 0x01f0;
    pub(super) const FROM_8: u16 = 0x1f00;
    pub(super) const FROM_12: u16 = 0xf000;
    pub(super) const ONLY_13: u16 = 1 << 13;

    /// The shape of a block with these low digits, which start in it.
    pub(super) fn of(low: Low) -> Self {
        match (low.first_word(), low.right) {
            (0, None) => Self::First,
            (13, None) => Self::Only13,
            (0..=3, _) => Self::From0,
            (4..=7, _) => Self::From4,
            (8..=11, _) => Self::From8,
            _ => Self::From12,
        }
    }

    /// The words that differ, a bit for each.
    pub(super) fn words(self) -> u16 {
        match self {
            Self::First => Self::FIRST,
            Self::From0 => Self::FROM_0,
            Self::From4 => Self::FROM_4,
            Self::From8 => Self::FROM_8,
            Self::From12 => Self::FROM_12,
            Self::Only13 => Self::ONLY_13,
        }
    }

    /// What can be computed ahead; looked up, since it is asked for with every group.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn ahead(self) -> Ahead {
        match self {
            Self::First => const { Ahead::of(Self::FIRST) },
            Self::From0 => const { Ahead::of(Self::FROM_0) },
            Self::From4 => const { Ahead::of(Self::FROM_4) },
            Self::From8 => const { Ahead::of(Self::FROM_8) },
            Self::From12 => const { Ahead::of(Self::FROM_12) },
            Self::Only13 => const { Ahead::of(Self::ONLY_13) },
        }
    }

    /// The round from which on the lanes differ.
    pub(super) fn from(self) -> usize {
        self.words().trailing_zeros() as usize
    }
}
