//! The message schedule of SHA-256 in pieces (FIPS 180-4): what of it can be computed once, ahead of the nonces.

/// σ0 of the message schedule (FIPS 180-4, formula 4.6).
pub(crate) fn small_sigma0(x: u32) -> u32 {
    x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3)
}

/// σ1 of the message schedule (FIPS 180-4, formula 4.7).
pub(crate) fn small_sigma1(x: u32) -> u32 {
    x.rotate_right(17) ^ x.rotate_right(19) ^ (x >> 10)
}

/// Which of the 64 words of a message schedule change if these of the first 16 do; bit t is word t.
pub(crate) const fn changing(words: u16) -> u64 {
    let mut changing = words as u64;
    let mut t = 16;
    while t < 64 {
        let from = (changing >> (t - 2))
            | (changing >> (t - 7))
            | (changing >> (t - 15))
            | (changing >> (t - 16));
        changing |= (from & 1) << t;
        t += 1;
    }
    changing
}

/// Of the words of a message schedule that change, those to which words that do not change contribute.
pub(crate) const fn has_constant_part(words: u16) -> u64 {
    let (changing, mut parts) = (changing(words), 0);
    let mut t = 16;
    while t < 64 {
        let all = (changing >> (t - 2))
            & (changing >> (t - 7))
            & (changing >> (t - 15))
            & (changing >> (t - 16));
        parts |= ((changing >> t) & !all & 1) << t;
        t += 1;
    }
    parts
}

/// What of a message schedule can be computed ahead, if some words of the block change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// The words that do not change, a bit for each of the 64.
    pub(crate) constant: u64,
    /// The words that change and to which some that do not contribute; also those of the block that change.
    pub(crate) partly: u64,
}

impl Ahead {
    /// Of a block of which these words change, a bit for each of the 16.
    pub(crate) const fn of(words: u16) -> Self {
        Self {
            constant: !changing(words),
            partly: words as u64 | has_constant_part(words),
        }
    }
}

/// A message schedule, as far as it can be computed ahead.
pub(crate) struct Schedule {
    /// The words that do not change; zero where they do.
    pub(crate) words: [u32; 64],
    /// What words that do not change contribute to those that do.
    pub(crate) parts: [u32; 64],
}

impl Schedule {
    /// Expands the words of a block. Those that change have a part too: what is the same in all of them.
    pub(crate) fn new(block: &[u32; 16], ahead: Ahead) -> Self {
        let mut schedule = Self {
            words: [0; 64],
            parts: [0; 64],
        };
        for t in bits(ahead.constant | ahead.partly) {
            let w = &schedule.words;
            let sum = match block.get(t) {
                Some(word) => *word,
                // Words that change are zero here, and add nothing.
                None => small_sigma1(w[t - 2])
                    .wrapping_add(w[t - 7])
                    .wrapping_add(small_sigma0(w[t - 15]))
                    .wrapping_add(w[t - 16]),
            };
            if (ahead.constant >> t) & 1 == 1 {
                schedule.words[t] = sum;
            } else {
                schedule.parts[t] = sum;
            }
        }
        schedule
    }
}

/// The numbers of the bits that are set, rising.
pub(crate) fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros() as usize);
        set &= set.wrapping_sub(1);
        bit
    })
}
