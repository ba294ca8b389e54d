//! A range with a planted hit: what a run has to search whole before its time counts.

use std::ops::Range;
use std::time::Duration;

use anyhow::ensure;
use jbc_pow::Kernel;
use rustix::time::{ClockId, clock_gettime};

use super::baseline::Patched;
use super::layouts::Layout;
use super::search::{Hit, search_whole, smallest, target_of_bits};

/// Zero bits of the hits that are reported: few enough that each run has some, many enough that a list stays short.
pub(super) const HIT_BITS: u32 = 20;

/// The CPU time that this thread has used.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Never negative: it counts from the start of the thread.
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// A layout, a range of its nonces, and the one hit that a run over it has to find.
///
/// The hit is the smallest hash of the range, found beforehand, and its hash is the target: so it is met once, at a place
/// that the texts decide. A run that leaves out nonces misses it sooner or later; one that finds more has found a wrong one.
#[derive(Clone, Debug)]
pub struct Course {
    /// What is searched.
    pub layout: Layout,
    /// From where to where, behind each of the prefixes.
    pub nonces: Range<u64>,
    planted: Hit,
}

impl Course {
    /// A range in which about so many preimages are tried. The hit is looked for by the kernel that runs everywhere and
    /// checked by the plain formula.
    ///
    /// # Errors
    /// If that kernel names a hit that is none.
    pub fn new(layout: Layout, hashes: u64) -> anyhow::Result<Self> {
        let nonces = layout.nonces(hashes);
        let planted = smallest(Kernel::portable(), &layout, nonces.clone())?;
        Ok(Self {
            layout,
            nonces,
            planted,
        })
    }

    /// Preimages that a run tries: each nonce behind each prefix.
    pub fn hashes(&self) -> u64 {
        self.layout.hashes(&self.nonces)
    }

    /// Searches the range whole, templates made from their texts included; answers what CPU time it took. Behind the hit
    /// the search begins again, which costs the kernel what it had searched ahead: the time has that in it.
    ///
    /// # Errors
    /// If not exactly the planted hit is found.
    pub fn run(&self, kernel: Kernel) -> anyhow::Result<Duration> {
        let began = cpu_time();
        let hits = search_whole(kernel, &self.layout, self.nonces.clone(), self.planted.hash)?;
        let elapsed = cpu_time().saturating_sub(began);
        self.check(kernel.name(), &hits)?;
        Ok(elapsed)
    }

    /// All hits of 20 zero bits.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn hits(&self, kernel: Kernel) -> anyhow::Result<Vec<Hit>> {
        let target = target_of_bits(HIT_BITS);
        search_whole(kernel, &self.layout, self.nonces.clone(), target)
    }

    fn check(&self, name: &str, hits: &[Hit]) -> anyhow::Result<()> {
        ensure!(
            hits == [self.planted],
            "{name} failed on {}: planted was {:?}, found {hits:?}",
            self.layout.name,
            self.planted
        );
        Ok(())
    }
}

/// The loop over `compress256` that kernels are compared with, on a range with a planted hit of its own.
#[derive(Clone, Debug)]
pub struct Baseline(Course);

impl Baseline {
    /// A range of so many preimages of the first layout: one compression each.
    ///
    /// # Errors
    /// As [`Course::new`].
    pub fn new(hashes: u64) -> anyhow::Result<Self> {
        Course::new(Layout::first(), hashes).map(Self)
    }

    /// Preimages that a run tries.
    pub fn hashes(&self) -> u64 {
        self.0.hashes()
    }

    /// As [`Course::run`].
    ///
    /// # Errors
    /// If not exactly the planted hit is found.
    pub fn run(&self) -> anyhow::Result<Duration> {
        let began = cpu_time();
        let hits = Patched::new(&self.0.layout)?.search(self.hashes(), self.0.planted.hash);
        let elapsed = cpu_time().saturating_sub(began);
        self.0.check("compress256", &hits)?;
        Ok(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_misses_the_planted_hit_or_finds_another_has_failed() {
        let course = Course::new(Layout::first(), 10_000).unwrap();
        assert_eq!(course.hashes(), 10_000);
        for &kernel in Kernel::available() {
            assert!(course.run(kernel).is_ok(), "{kernel}");
        }
        let wrong = Hit {
            nonce: course.planted.nonce + 1,
            ..course.planted
        };
        for hits in [&[][..], &[wrong], &[course.planted, wrong]] {
            let error = course.check("x", hits).unwrap_err();
            assert!(error.to_string().starts_with("x failed on classic"));
        }
        // Without the planted nonce in its range a kernel finds nothing, which is no result either.
        let mut cut = course;
        cut.nonces.end = cut.planted.nonce;
        assert!(cut.run(Kernel::best()).is_err());
    }

    #[test]
    fn the_baseline_finds_its_planted_hit() {
        let baseline = Baseline::new(20_000).unwrap();
        assert_eq!(baseline.hashes(), 20_000);
        assert!(baseline.run().is_ok());
    }
}
