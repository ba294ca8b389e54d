//! The loops there are, and the choice among them.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

#[cfg(target_arch = "aarch64")]
use crate::lanes::{self, armv8_sha2::Armv8Sha2};
#[cfg(target_arch = "x86_64")]
use crate::lanes::{self, avx2::Avx2, avx512::Avx512, sha_ni::ShaNi};
use crate::plan::Plan;
use crate::{Search, portable};

/// A search loop. All give the same answers; they differ in speed and in the machines they run on.
#[derive(Clone, Copy, Debug)]
pub struct Kernel(Loop);

/// Only [`Kernel::available`] makes these, so whoever has one may run it.
#[derive(Clone, Copy, Debug)]
enum Loop {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    ShaNi(ShaNi),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Armv8Sha2(Armv8Sha2),
    Portable,
}

/// Looked for once: what a processor can does not change.
static AVAILABLE: LazyLock<Vec<Kernel>> = LazyLock::new(|| {
    #[cfg(target_arch = "x86_64")]
    let special = [
        Avx512::detect().map(Loop::Avx512),
        ShaNi::detect().map(Loop::ShaNi),
        Avx2::detect().map(Loop::Avx2),
    ];
    // That it is faster than the portable loop is expected, not measured.
    #[cfg(target_arch = "aarch64")]
    let special = [Armv8Sha2::detect().map(Loop::Armv8Sha2)];
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    let special: [Option<Loop>; 0] = [];
    let all = special.into_iter().flatten().chain([Loop::Portable]);
    all.map(Kernel).collect()
});

impl Kernel {
    /// The fastest kernel this machine can run.
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// The kernels this machine can run, fastest first. There is always one.
    pub fn available() -> &'static [Self] {
        &AVAILABLE
    }

    /// The kernel that runs everywhere.
    pub fn portable() -> Self {
        Self(Loop::Portable)
    }

    /// The name for flags and reports; [`Kernel::from_str`] reads it back.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Loop::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Loop::ShaNi(_) => "sha-ni",
            #[cfg(target_arch = "x86_64")]
            Loop::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Loop::Armv8Sha2(_) => "armv8-sha2",
            Loop::Portable => "portable",
        }
    }

    pub(crate) fn search(self, plan: &Plan<'_>, cancelled: impl Fn() -> bool) -> Search {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Loop::Avx512(avx512) => lanes::search(avx512, plan, cancelled),
            #[cfg(target_arch = "x86_64")]
            Loop::ShaNi(sha_ni) => lanes::search(sha_ni, plan, cancelled),
            #[cfg(target_arch = "x86_64")]
            Loop::Avx2(avx2) => lanes::search(avx2, plan, cancelled),
            #[cfg(target_arch = "aarch64")]
            Loop::Armv8Sha2(armv8_sha2) => lanes::search(armv8_sha2, plan, cancelled),
            Loop::Portable => portable::search(plan, cancelled),
        }
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kernel {}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kernel {
    type Err = UnknownKernel;

    /// Reads the name of a kernel that this machine can run.
    fn from_str(name: &str) -> Result<Self, UnknownKernel> {
        let named = Self::available()
            .iter()
            .find(|kernel| kernel.name() == name);
        named.copied().ok_or_else(|| UnknownKernel {
            name: name.to_owned(),
        })
    }
}

/// No kernel of this name runs on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kernel named {name:?} on this machine, only {}", available_names())]
pub struct UnknownKernel {
    /// The name that was asked for.
    pub name: String,
}

fn available_names() -> String {
    let names: Vec<_> = Kernel::available()
        .iter()
        .map(|kernel| kernel.name())
        .collect();
    names.join(", ")
}
