//! The loops there are, and the choice among them.

use std::fmt;
use std::str::FromStr;

/// A search loop. All give the same answers; they differ in speed and in the machines they run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// One nonce at a time through `sha2`'s block function; runs everywhere.
    Portable,
}

impl Kernel {
    /// The fastest kernel this machine can run.
    pub fn best() -> Self {
        Self::Portable
    }

    /// The kernels this machine can run, fastest first.
    pub fn available() -> &'static [Self] {
        &[Self::Portable]
    }

    /// The name for flags and reports; [`Kernel::from_str`] reads it back.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
        }
    }
}

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
