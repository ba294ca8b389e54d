//! SHA-256 in pieces (FIPS 180-4): what every kernel computes once, ahead of the nonces, and the tables they share.

use crate::template::State;

/// The round constants (FIPS 180-4, section 4.2.2).
pub(crate) const K: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// σ0 of the message schedule (FIPS 180-4, formula 4.6).
pub(crate) fn small_sigma0(x: u32) -> u32 {
    x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3)
}

/// σ1 of the message schedule (FIPS 180-4, formula 4.7).
pub(crate) fn small_sigma1(x: u32) -> u32 {
    x.rotate_right(17) ^ x.rotate_right(19) ^ (x >> 10)
}

/// The first rounds of a block, as many as there are words: where a kernel takes over from.
pub(crate) fn rounds(state: &State, words: &[u32]) -> State {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (word, k) in words.iter().zip(K) {
        let big_sigma1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let t1 = h
            .wrapping_add(big_sigma1)
            .wrapping_add(choice)
            .wrapping_add(k)
            .wrapping_add(*word);
        let big_sigma0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let t2 = big_sigma0.wrapping_add(majority);
        (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
        (d, c, b, a) = (c, b, a, t1.wrapping_add(t2));
    }
    [a, b, c, d, e, f, g, h]
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
