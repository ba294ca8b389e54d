//! The `v2` format from its text to the chain; `retargeting.rs` has the simulation of its difficulty.

mod bits;
mod fixtures;
mod json;
mod linked;
mod merkle;
mod model;
mod networks;
mod preimage;
mod rules;
