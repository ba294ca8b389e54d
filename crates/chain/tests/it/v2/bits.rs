//! Targets in compact form: one spelling each, in the order of the targets, rounded down.

use jbc_chain::{Bits, Network, Target, ValueError};
use proptest::prelude::*;
use ruint::aliases::U256;

use super::fixtures::{START_MS, easy_rules, millis};

fn target(number: U256) -> Target {
    Target::from_be_bytes(number.to_be_bytes())
}

fn number(target: Target) -> U256 {
    U256::from_be_bytes(target.to_be_bytes())
}

/// The compact form by its definition: as bytes without leading zeros, one more where the first bit would be a sign; how many
/// they are, and the first three. `None` for zero.
pub(crate) fn naive_compact(number: U256) -> Option<u32> {
    let bytes: [u8; 32] = number.to_be_bytes();
    let mut bytes: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    if *bytes.first()? >= 0x80 {
        bytes.insert(0, 0);
    }
    let digit = |place: usize| bytes.get(place).copied().unwrap_or(0);
    Some(u32::from_be_bytes([
        bytes.len() as u8,
        digit(0),
        digit(1),
        digit(2),
    ]))
}

/// Source: Bitcoin Core, src/test/arith_uint256_tests.cpp, `bignum_SetCompact`: what `GetCompact` gives back of each.
#[test]
fn bitcoins_vectors_read_as_the_numbers_they_are() {
    let canonical = [
        (0x0112_0000, "12"),
        (0x0200_8000, "80"),
        (0x0212_3400, "1234"),
        (0x0312_3456, "123456"),
        (0x0412_3456, "12345600"),
        (0x0500_9234, "92340000"),
        (
            0x2012_3456,
            "1234560000000000000000000000000000000000000000000000000000000000",
        ),
    ];
    for (compact, hex) in canonical {
        let bits = Bits::new(compact).unwrap();
        let expected: Target = format!("{hex:0>64}").parse().unwrap();
        assert_eq!(bits.target(), expected, "{bits}");
        assert_eq!(bits.as_u32(), compact);
        assert_eq!(Bits::from_target(&expected), bits);
    }
}

/// Source as above: those that Bitcoin reads as zero, as negative, as too large, or gives back in another spelling.
#[test]
fn bitcoins_vectors_of_zero_negative_too_large_or_other_spellings_are_refused() {
    let zero = [
        0x0000_0000,
        0x0012_3456,
        0x0100_3456,
        0x0200_0056,
        0x0300_0000,
        0x0400_0000,
        0x0092_3456,
        0x0180_3456,
        0x0280_0056,
        0x0380_0000,
        0x0480_0000,
    ];
    let negative = [0x01fe_dcba, 0x01fe_0000, 0x0492_3456];
    let too_large = [0xff12_3456];
    let other_spelling = [0x0112_3456, 0x0212_3456];
    for compact in [&zero[..], &negative, &too_large, &other_spelling].concat() {
        assert_eq!(Bits::new(compact), None, "{compact:08x}");
        let text = format!("{compact:08x}");
        assert_eq!(
            text.parse::<Bits>(),
            Err(ValueError::NotBits { found: text })
        );
    }
}

#[test]
fn the_first_bitcoin_block_has_its_known_difficulty() {
    // Bitcoin's block 0, bits 1d00ffff: about 2^32 hashes.
    let bits: Bits = "1d00ffff".parse().unwrap();
    assert_eq!(
        bits.target().to_string(),
        format!("00000000ffff{}", "0".repeat(52))
    );
    assert_eq!(bits.target().work().to_string(), "4295032833");
}

#[test]
fn the_easiest_and_the_hardest_target_have_a_spelling_that_reads_back() {
    let easiest = Bits::from_target(&Target::MAX);
    assert_eq!(easiest.to_string(), "2100ffff");
    assert_eq!("2100ffff".parse(), Ok(easiest));
    assert_eq!(Bits::new(easiest.as_u32()), Some(easiest));
    assert_eq!(
        easiest.target().to_string(),
        format!("ffff{}", "0".repeat(60))
    );
    for compact in [0x2101_0000, 0x217f_ffff, 0x2100_7fff, 0x2200_00ff] {
        assert_eq!(Bits::new(compact), None, "{compact:08x}");
    }

    let hardest = Bits::new(0x0101_0000).unwrap();
    assert_eq!(number(hardest.target()), U256::ONE);
    assert_eq!(Bits::from_target(&target(U256::ZERO)), hardest);
    assert_eq!(Bits::from_target(&target(U256::ONE)), hardest);
}

#[test]
fn a_network_whose_limit_is_every_hash_survives_its_file() {
    let mut rules = easy_rules();
    rules.limit = Bits::from_target(&Target::MAX);
    let network = Network::custom_v2("all", &rules, rules.limit, millis(START_MS)).unwrap();
    assert_eq!(
        Network::from_json(network.to_json().as_bytes()).unwrap(),
        network
    );
}

#[test]
fn the_text_is_exactly_eight_lowercase_hex_digits() {
    let bits: Bits = "1e0fffff".parse().unwrap();
    assert_eq!((bits.to_string(), format!("{bits:?}")), {
        ("1e0fffff".to_owned(), "1e0fffff".to_owned())
    });
    assert_eq!(serde_json::to_string(&bits).unwrap(), "\"1e0fffff\"");
    assert_eq!(serde_json::from_str::<Bits>("\"1e0fffff\"").unwrap(), bits);
    for text in [
        "",
        "1E0FFFFF",
        "1e0ffff",
        "1e0fffff0",
        "+e0fffff",
        "0x1e0fff",
        " 1e0ffff",
        "1e0ffffé",
    ] {
        assert!(text.parse::<Bits>().is_err(), "{text}");
        assert!(serde_json::from_str::<Bits>(&format!("\"{text}\"")).is_err());
    }
    assert!(serde_json::from_str::<Bits>("504365055").is_err());
}

/// Numbers of any length, since nearly all of 256 random bits have 32 bytes.
fn any_number() -> impl Strategy<Value = U256> {
    (any::<[u8; 32]>(), 0_usize..=256)
        .prop_map(|(bytes, shift)| U256::from_be_bytes(bytes) >> shift)
}

/// Targets of any length in compact form.
pub(crate) fn any_bits() -> impl Strategy<Value = Bits> {
    any_number().prop_map(|number| Bits::from_target(&target(number)))
}

proptest! {
    #[test]
    fn from_target_gives_the_largest_bits_that_are_not_above(number_in in any_number()) {
        let bits = Bits::from_target(&target(number_in));
        match naive_compact(number_in) {
            None => prop_assert_eq!(bits.as_u32(), 0x0101_0000),
            Some(compact) => {
                prop_assert_eq!(bits.as_u32(), compact);
                let floor = number(bits.target());
                prop_assert!(floor <= number_in);
                // The next larger spelling is above it, if there is one.
                let above = Bits::new(compact + 1).or_else(|| Bits::new(((compact >> 24) + 1) << 24 | 0x8000));
                prop_assert!(above.is_none_or(|above| number(above.target()) > number_in));
            }
        }
        prop_assert_eq!(Bits::new(bits.as_u32()), Some(bits));
        prop_assert_eq!(Bits::from_target(&bits.target()), bits);
        prop_assert_eq!(bits.to_string().parse(), Ok(bits));
    }

    #[test]
    fn four_bytes_are_bits_exactly_when_they_are_the_spelling_of_their_number(
        size in 0_u32..40, mantissa in 0_u32..0x0100_0000,
    ) {
        let compact = size << 24 | mantissa;
        match Bits::new(compact) {
            Some(bits) => prop_assert_eq!(naive_compact(number(bits.target())), Some(compact)),
            None => {
                // Read as Bitcoin does, it is no number, or one that is spelled otherwise.
                let read = U256::from(mantissa).checked_mul(U256::from(256).pow(U256::from(size.saturating_sub(3))));
                let read = read.map(|value| value >> (8 * 3_u32.saturating_sub(size) as usize));
                let negative = mantissa & 0x0080_0000 != 0;
                prop_assert!(negative || read.and_then(naive_compact) != Some(compact));
            }
        }
    }

    #[test]
    fn the_order_of_bits_is_that_of_their_targets(one in any_number(), other in any_number(), near in 0_u8..3) {
        let other = if near == 0 { one.wrapping_add(other >> 240) } else { other };
        let (one, other) = (Bits::from_target(&target(one)), Bits::from_target(&target(other)));
        prop_assert_eq!(one.cmp(&other), one.target().cmp(&other.target()));
    }
}
