//! The crate through its public face, in one test binary.
//!
//! `cfg(test)` tells clippy that fixtures are test code too, where `unwrap` is welcome.

#[cfg(test)]
mod blocks;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod json;
#[cfg(test)]
mod malleability;
#[cfg(test)]
mod model;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod retargeting;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod tutorial;
#[cfg(test)]
mod v2;
mod values;
