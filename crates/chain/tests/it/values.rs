//! Hashes, targets, work and timestamps: their texts and their arithmetic.

use jbc_chain::{Hash, Target, Timestamp, UnixMicros, ValueError, Work};
use proptest::prelude::*;

use crate::fixtures::hash;

const HEX: &str = "000002f9c703dc80340c08462a0d6acdac9d0e10eb4190f6e57af6bb0850d03c";

#[test]
fn a_hash_is_exactly_64_lowercase_hex_digits() {
    assert_eq!(hash(HEX).to_string(), HEX);
    assert_eq!(format!("{:?}", hash(HEX)), HEX);
    assert_eq!(hash(HEX).short(), "000002f9c703");
    let longer = format!("{HEX}0");
    let capital = HEX.to_uppercase();
    let non_ascii = HEX.replace("00000", "0é00");
    for wrong in [
        "",
        &HEX[1..],
        &longer,
        &capital,
        &non_ascii,
        "0x00",
        &format!(" {}", &HEX[1..]),
    ] {
        assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
        assert!(wrong.parse::<Target>().is_err(), "{wrong}");
    }
}

#[test]
fn hashes_are_ordered_as_numbers() {
    let mut high = [0; 32];
    high[0] = 1;
    let mut low = [0xff; 32];
    low[0] = 0;
    assert!(Hash::from_bytes(low) < Hash::from_bytes(high));
}

#[test]
fn values_are_strings_in_json() {
    let hash: Hash = serde_json::from_str(&format!("\"{HEX}\"")).unwrap();
    assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{HEX}\""));
    let target: Target = serde_json::from_str(&format!("\"{HEX}\"")).unwrap();
    assert_eq!(
        serde_json::to_string(&target).unwrap(),
        format!("\"{HEX}\"")
    );
    let work: Work = serde_json::from_str("\"1048576\"").unwrap();
    assert_eq!(serde_json::to_string(&work).unwrap(), "\"1048576\"");
    let time: Timestamp = serde_json::from_str("\"20121101120001000000\"").unwrap();
    assert_eq!(
        serde_json::to_string(&time).unwrap(),
        "\"20121101120001000000\""
    );
    assert!(serde_json::from_str::<Work>("1048576").is_err());
    assert!(serde_json::from_str::<Hash>("\"00\"").is_err());
}

#[test]
fn a_target_of_zeros_is_met_by_hashes_that_start_so() {
    for zeros in 0..=64 {
        let target = Target::from_zeros(zeros).unwrap();
        assert_eq!(target.zeros(), Some(zeros));
        let text = "0".repeat(zeros as usize) + &"f".repeat(64 - zeros as usize);
        assert_eq!(target.to_string(), text);
        assert!(target.is_met_by(&hash(&text)));
        if zeros > 0 {
            let easier = "0".repeat(zeros as usize - 1) + "1" + &"0".repeat(64 - zeros as usize);
            assert!(!target.is_met_by(&hash(&easier)));
        }
    }
    assert_eq!(Target::from_zeros(65), None);
    assert_eq!(HEX.parse::<Target>().unwrap().zeros(), None);
}

#[test]
fn the_work_of_a_block_is_the_tries_it_takes() {
    let work = |zeros| Target::from_zeros(zeros).unwrap().work().to_string();
    assert_eq!(work(0), "1");
    assert_eq!(work(1), "16");
    assert_eq!(work(5), "1048576");
    assert_eq!(work(63), (num(2, 252)));
    // floor(2^256 / 3) at target 2, and the one value that does not fit.
    let mut two = [0; 32];
    two[31] = 2;
    let third = "38597363079105398474523661669562635951089994888546854679819194669304376546645";
    assert_eq!(Target::from_be_bytes(two).work().to_string(), third);
    let most = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    assert_eq!(work(64), most);
    // An odd target: floor(2^256 / (0x8000… + 1)) is 1, not 2.
    let mut half = [0; 32];
    half[0] = 0x80;
    assert_eq!(Target::from_be_bytes(half).work().to_string(), "1");
}

/// base^exponent in decimal.
fn num(base: u32, exponent: u32) -> String {
    let mut digits = vec![1_u32]; // least significant first
    for _ in 0..exponent {
        let mut carry = 0;
        for digit in &mut digits {
            let value = *digit * base + carry;
            *digit = value % 10;
            carry = value / 10;
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    digits.iter().rev().map(u32::to_string).collect()
}

#[test]
fn work_adds_up_and_never_wraps() {
    let work = |text: &str| text.parse::<Work>().unwrap();
    assert_eq!(work("7") + work("5"), work("12"));
    assert_eq!(Work::ZERO + work("5"), work("5"));
    let most = Target::from_zeros(64).unwrap().work();
    assert_eq!(most + work("1"), most);
    assert!(work("9") < work("10"));
    let too_big = num(2, 256);
    for wrong in ["", "01", "-1", "+1", "1_000", "0x10", " 1", "1.0", &too_big] {
        assert!(wrong.parse::<Work>().is_err(), "{wrong}");
    }
}

#[test]
fn a_target_from_expected_hashes_takes_about_that_many() {
    assert_eq!(Target::from_expected_hashes(1.0), Target::MAX);
    assert_eq!(Target::from_expected_hashes(0.0), Target::MAX);
    assert_eq!(Target::from_expected_hashes(-3.0), Target::MAX);
    assert_eq!(Target::from_expected_hashes(f64::NAN), Target::MAX);
    assert_eq!(
        Target::from_expected_hashes(f64::INFINITY).zeros(),
        Some(64)
    );
    assert_eq!(Target::from_expected_hashes(1e300).zeros(), Some(64));
    for zeros in 0..60 {
        let tries = 16_f64.powi(zeros);
        let found = Target::from_expected_hashes(tries)
            .work()
            .to_string()
            .parse::<f64>()
            .unwrap();
        assert!(
            (found / tries - 1.0).abs() < 1e-12,
            "{zeros} zeros: {found}"
        );
    }
}

proptest! {
    #[test]
    fn the_work_of_a_target_from_expected_hashes_is_near_them(tries in 1000.0..1e60) {
        let found = Target::from_expected_hashes(tries).work().to_string().parse::<f64>().unwrap();
        prop_assert!((found / tries - 1.0).abs() < 1e-2);
    }

    #[test]
    fn a_hash_meets_a_target_when_it_is_no_greater_number(a: [u8; 32], b: [u8; 32]) {
        let (as_hash, as_target) = (Hash::from_bytes(a), Target::from_be_bytes(b));
        prop_assert_eq!(as_target.is_met_by(&as_hash), a <= b);
        prop_assert_eq!(as_target.to_be_bytes(), b);
        prop_assert_eq!(as_hash.to_string().parse(), Ok(as_hash));
    }

    #[test]
    fn every_instant_of_four_digit_years_survives_its_20_digits(
        micros in -30_610_224_000_000_000_i64..253_402_300_800_000_000,
    ) {
        let time = Timestamp::from_instant(UnixMicros(micros));
        prop_assert_eq!(time.instant(), UnixMicros(micros));
        prop_assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
    }
}

#[test]
fn a_timestamp_keeps_its_digits_and_knows_its_instant() {
    let short = Timestamp::parse("1508895381").unwrap();
    assert!(short.is_ten_digits());
    assert_eq!(short.to_string(), "1508895381");
    assert_eq!(short.instant(), UnixMicros(1_508_895_381_000_000));

    let long = Timestamp::parse("20171025013621000000").unwrap();
    assert!(!long.is_ten_digits());
    assert_eq!(long.to_string(), "20171025013621000000");
    assert_eq!(long.instant(), short.instant());
    assert_ne!(long, short);
    assert_eq!(Timestamp::from_instant(short.instant()), long);

    let epoch_and_a_bit = Timestamp::parse("19700101000000000001").unwrap();
    assert_eq!(epoch_and_a_bit.instant(), UnixMicros(1));
}

#[test]
fn a_timestamp_is_ten_or_twenty_digits_without_a_leading_zero() {
    let not_a_timestamp = [
        "",
        "0",
        "150889538",
        "0508895381",
        "15088953810",
        "2012110112000100000",
        "None",
        "201211011200010000000",
        "02012110112000100000",
        "+508895381",
        "-508895381",
        " 508895381",
        "150889538１",
        "1508895381.0",
        "1.50889538",
    ];
    for text in not_a_timestamp {
        assert!(
            matches!(Timestamp::parse(text), Err(ValueError::NotTimestamp { .. })),
            "{text}"
        );
    }
    assert!(Timestamp::parse("1000000000").is_ok());
    assert!(Timestamp::parse("9999999999").is_ok());
}

#[test]
fn twenty_digits_are_a_real_date() {
    let dates = [
        "20240229000000000000",
        "10000101000000000000",
        "99991231235959999999",
    ];
    for text in dates {
        assert!(Timestamp::parse(text).is_ok(), "{text}");
    }
    let not_a_date = [
        "20250229000000000000",
        "20121301120001000000",
        "20120001120001000000",
        "20121100120001000000",
        "20121131120001000000",
        "20121101240000000000",
        "20121101126000000000",
        "20121101120060000000",
        "99999999999999999999",
    ];
    for text in not_a_date {
        assert!(
            matches!(Timestamp::parse(text), Err(ValueError::NotDate { .. })),
            "{text}"
        );
    }
}

#[test]
fn instants_beyond_four_digit_years_are_clamped() {
    assert_eq!(
        Timestamp::from_instant(UnixMicros::MAX).to_string(),
        "99991231235959999999"
    );
    assert_eq!(
        Timestamp::from_instant(UnixMicros(i64::MIN)).to_string(),
        "10000101000000000000"
    );
    assert_eq!(UnixMicros::MAX.plus(1), UnixMicros::MAX);
}
