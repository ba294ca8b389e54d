//! All kernels agree with the plain formula, whatever the prefixes, the nonces and the target.

#![no_main]

use std::sync::atomic::AtomicBool;

use jbc_pow::{Kernel, Search, Template, hash_of, search_with};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    /// Differ from prefix to prefix.
    roots: Vec<u8>,
    /// The same for all.
    end: Vec<u8>,
    start: u64,
    /// Shortens the nonce to any number of digits.
    shift: u8,
    len: u16,
    target: [u8; 2],
}

fuzz_target!(|input: Input| {
    let end = &input.end[..input.end.len().min(200)];
    let roots = &input.roots[..input.roots.len().min(20)];
    let prefixes: Vec<Vec<u8>> = roots.iter().map(|root| [&[*root; 64], end].concat()).collect();
    let mut target = [0xff; 32];
    target[..2].copy_from_slice(&input.target);
    let Ok(template) = Template::rolled(&prefixes, target) else {
        return;
    };
    let start = input.start >> (input.shift % 64);
    // Sixteen groups of a thousand are searched abreast; with many prefixes the plain formula would take too long for that.
    let most = if prefixes.len() < 3 { 20_000 } else { 2_000 };
    let nonces = start..start.saturating_add(u64::from(input.len % most));
    let expected = nonces
        .clone()
        .flat_map(|nonce| (0..prefixes.len()).map(move |prefix| (nonce, prefix)))
        .map(|(nonce, prefix)| (nonce, prefix, hash_of(&prefixes[prefix], nonce)))
        .find(|(_, _, hash)| *hash <= target)
        .map_or(
            Search::Exhausted { next_nonce: nonces.end },
            |(nonce, prefix, hash)| Search::Found { nonce, prefix, hash },
        );
    for &kernel in Kernel::available() {
        let found = search_with(kernel, &template, nonces.clone(), &AtomicBool::new(false));
        assert_eq!(found, expected, "{kernel}, {nonces:?}");
    }
});
