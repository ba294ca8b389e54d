//! SHA-256 over the lanes of a vector: each lane one nonce, one instruction for all of them.

/// Writes the kernel of a vector type. The calling module provides `hash`, the rounds of a block from a state on without the
/// addition of the state before the block, and `splat`, `load`, `add`, `or`, `shift_left`, `shift_right` (by a count),
/// `rotate`, `shift` (by a constant), `xor3` and `at_most`.
///
/// A macro and not generic code, since functions with target features can be inlined into each other, but not into those
/// of a trait.
macro_rules! vector_kernel {
    ($features:literal, $vector:ty, $lanes:literal) => {
        use crate::lanes::shape::DIGITS;
        use crate::lanes::{Hit, Low, Scan, Shape};
        use crate::schedule::{Schedule, bits, changing, has_constant_part};
        use crate::sha256::K;
        use crate::template::State;

        /// A block made ready.
        #[repr(align(64))]
        pub(crate) struct Block {
            /// Each word of the message schedule plus its round constant. Those that differ between the lanes are
            /// written anew for each vector of nonces.
            pub(super) sums: [$vector; 64],
            /// What the words that are the same for all lanes contribute to those that are not.
            parts: [$vector; 64],
            /// The round constants.
            constants: [$vector; 64],
            /// The words of the block that differ.
            words: [$vector; 16],
        }

        #[target_feature(enable = $features)]
        pub(super) fn room() -> Block {
            let mut constants = [splat(0); 64];
            for (vector, constant) in constants.iter_mut().zip(K) {
                *vector = splat(constant);
            }
            Block {
                sums: [splat(0); 64],
                parts: [splat(0); 64],
                constants,
                words: [splat(0); 16],
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn prepare(room: &mut Block, block: &[u32; 16], shape: Shape) {
            let ahead = shape.ahead();
            let schedule = Schedule::new(block, ahead);
            for t in bits(ahead.partly) {
                room.parts[t] = splat(schedule.parts[t]);
            }
            // Those of the rounds that are the same for all lanes are in the start already.
            let late = !0 << (shape.from() / 4 * 4);
            for t in bits(ahead.constant & late) {
                room.sums[t] = splat(schedule.words[t].wrapping_add(K[t]));
            }
            for t in bits(u64::from(shape.words())) {
                room.words[t] = room.parts[t];
            }
        }

        /// Lets the low digits be a number, and the following ones in the other lanes.
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn write_digits(block: &mut Block, low: Low, number: usize) {
            let (vectors, _) = DIGITS.0.as_chunks::<$lanes>();
            let digits = load(&vectors[number / $lanes]);
            block.words[low.word] = or(block.parts[low.word], shift_left(digits, low.left));
            if let Some(right) = low.right {
                let before = low.word - 1;
                block.words[before] = or(block.parts[before], shift_right(digits, right));
            }
        }

        /// σ0 of the message schedule (FIPS 180-4, formula 4.6).
        #[inline]
        #[target_feature(enable = $features)]
        fn small_sigma0(x: $vector) -> $vector {
            xor3(rotate::<7>(x), rotate::<18>(x), shift::<3>(x))
        }

        /// σ1 of the message schedule (FIPS 180-4, formula 4.7).
        #[inline]
        #[target_feature(enable = $features)]
        fn small_sigma1(x: $vector) -> $vector {
            xor3(rotate::<17>(x), rotate::<19>(x), shift::<10>(x))
        }

        /// Expands the message schedule, as far as it differs between the numbers.
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn expand<const WORDS: u16>(block: &mut Block) {
            let w = &mut [splat(0); 64];
            macro_rules! given {
                ($t:literal) => {
                    if const { changing(WORDS) >> $t & 1 == 1 } {
                        w[$t] = block.words[$t];
                        block.sums[$t] = add(w[$t], block.constants[$t]);
                    }
                };
            }
            crate::lanes::vector::for_given_words!(given);
            macro_rules! follows {
                ($t:literal) => {
                    if const { changing(WORDS) >> $t & 1 == 1 } {
                        // To add a constant zero is nothing to do.
                        let mut sum = splat(0);
                        if const { has_constant_part(WORDS) >> $t & 1 == 1 } {
                            sum = block.parts[$t];
                        }
                        if const { changing(WORDS) >> ($t - 16) & 1 == 1 } {
                            sum = add(sum, w[$t - 16]);
                        }
                        if const { changing(WORDS) >> ($t - 7) & 1 == 1 } {
                            sum = add(sum, w[$t - 7]);
                        }
                        if const { changing(WORDS) >> ($t - 15) & 1 == 1 } {
                            sum = add(sum, small_sigma0(w[$t - 15]));
                        }
                        if const { changing(WORDS) >> ($t - 2) & 1 == 1 } {
                            sum = add(sum, small_sigma1(w[$t - 2]));
                        }
                        w[$t] = sum;
                        block.sums[$t] = add(sum, block.constants[$t]);
                    }
                };
            }
            crate::lanes::vector::for_following_words!(follows);
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn splat_all(state: &State) -> [$vector; 8] {
            // Not `map`: a closure is code of its own where it is not inlined.
            let mut vectors = [splat(0); 8];
            for (vector, word) in vectors.iter_mut().zip(state) {
                *vector = splat(*word);
            }
            vectors
        }

        #[target_feature(enable = $features)]
        fn scan_shape<const WORDS: u16, const FROM: usize>(
            block: &mut Block,
            scan: &Scan<'_>,
            hits: &mut Vec<Hit>,
        ) {
            let target = splat(scan.target);
            for number in scan.numbers.clone().step_by($lanes) {
                write_digits(block, scan.low, number);
                expand::<WORDS>(block);
                for (index, start) in scan.starts.iter().enumerate() {
                    let state = hash::<FROM>(&block.sums, &splat_all(&start.advanced));
                    let lanes = at_most(add(state[0], splat(start.midstate[0])), target);
                    if lanes != 0 {
                        hits.push(Hit {
                            low: number,
                            start: index,
                            lanes,
                        });
                    }
                }
            }
        }

        #[target_feature(enable = $features)]
        fn scan(block: &mut Block, scan: &Scan<'_>, hits: &mut Vec<Hit>) {
            match scan.shape {
                Shape::First => scan_shape::<{ Shape::FIRST }, 0>(block, scan, hits),
                Shape::From0 => scan_shape::<{ Shape::FROM_0 }, 0>(block, scan, hits),
                Shape::From4 => scan_shape::<{ Shape::FROM_4 }, 4>(block, scan, hits),
                Shape::From8 => scan_shape::<{ Shape::FROM_8 }, 8>(block, scan, hits),
                Shape::From12 => scan_shape::<{ Shape::FROM_12 }, 12>(block, scan, hits),
                Shape::Only13 => scan_shape::<{ Shape::ONLY_13 }, 13>(block, scan, hits),
            }
        }

        /// As [`write_digits`], where the digits lie in the last four words of the first of two blocks, or the last one or
        /// two of them in the second. Answers if so.
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn write_digits_of_two(
            [first, second]: [&mut Block; 2],
            low: Low,
            number: usize,
        ) -> bool {
            let (16, Some(right)) = (low.word, low.right) else {
                write_digits(first, low, number);
                return false;
            };
            let (vectors, _) = DIGITS.0.as_chunks::<$lanes>();
            let digits = load(&vectors[number / $lanes]);
            first.words[15] = or(first.parts[15], shift_right(digits, right));
            second.words[0] = or(second.parts[0], shift_left(digits, low.left));
            true
        }

        #[target_feature(enable = $features)]
        fn scan_two([first, second]: [&mut Block; 2], scan: &Scan<'_>, hits: &mut Vec<Hit>) {
            let target = splat(scan.target);
            expand::<{ Shape::FIRST }>(second);
            for number in scan.numbers.clone().step_by($lanes) {
                if write_digits_of_two([first, second], scan.low, number) {
                    expand::<{ Shape::FIRST }>(second);
                }
                expand::<{ Shape::FROM_12 }>(first);
                for (index, start) in scan.starts.iter().enumerate() {
                    let mut state = hash::<12>(&first.sums, &splat_all(&start.advanced));
                    for (word, before) in state.iter_mut().zip(start.midstate) {
                        *word = add(*word, splat(before));
                    }
                    let end = hash::<0>(&second.sums, &state);
                    let lanes = at_most(add(end[0], state[0]), target);
                    if lanes != 0 {
                        hits.push(Hit {
                            low: number,
                            start: index,
                            lanes,
                        });
                    }
                }
            }
        }
    };
}

/// Calls a macro with the numbers of the rounds whose words are those of the block.
macro_rules! for_given_words {
    ($call:ident) => {
        $call!(0);
        $call!(1);
        $call!(2);
        $call!(3);
        $call!(4);
        $call!(5);
        $call!(6);
        $call!(7);
        $call!(8);
        $call!(9);
        $call!(10);
        $call!(11);
        $call!(12);
        $call!(13);
        $call!(14);
        $call!(15);
    };
}

/// Calls a macro with the numbers of the rounds whose words follow from those of the block.
macro_rules! for_following_words {
    ($call:ident) => {
        $call!(16);
        $call!(17);
        $call!(18);
        $call!(19);
        $call!(20);
        $call!(21);
        $call!(22);
        $call!(23);
        $call!(24);
        $call!(25);
        $call!(26);
        $call!(27);
        $call!(28);
        $call!(29);
        $call!(30);
        $call!(31);
        $call!(32);
        $call!(33);
        $call!(34);
        $call!(35);
        $call!(36);
        $call!(37);
        $call!(38);
        $call!(39);
        $call!(40);
        $call!(41);
        $call!(42);
        $call!(43);
        $call!(44);
        $call!(45);
        $call!(46);
        $call!(47);
        $call!(48);
        $call!(49);
        $call!(50);
        $call!(51);
        $call!(52);
        $call!(53);
        $call!(54);
        $call!(55);
        $call!(56);
        $call!(57);
        $call!(58);
        $call!(59);
        $call!(60);
        $call!(61);
        $call!(62);
        $call!(63);
    };
}

pub(crate) use {for_following_words, for_given_words, vector_kernel};
