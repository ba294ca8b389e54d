//! Time as the state machine sees it: two readings, handed in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment on both clocks, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    /// On the scheduler's own clock, which never goes back: [`MONO_START_US`] and the time since the scheduler's start.
    pub(crate) mono_us: u64,
    /// Since the Unix epoch; whatever the operator sets.
    pub(crate) wall_us: u64,
}

impl Now {
    /// Microseconds from then to now.
    pub(crate) fn elapsed_us(self, now: Self) -> u64 {
        now.mono_us.saturating_sub(self.mono_us)
    }

    /// As [`elapsed_us`](Self::elapsed_us).
    pub(crate) fn elapsed(self, now: Self) -> Duration {
        Duration::from_micros(self.elapsed_us(now))
    }

    /// What both clocks showed so long ago.
    pub(crate) fn earlier(self, us: u64) -> Self {
        Self {
            mono_us: self.mono_us.saturating_sub(us),
            wall_us: self.wall_us.saturating_sub(us),
        }
    }

    /// So long from now by the monotonic clock.
    pub(crate) fn after(self, us: u64) -> Due {
        Due::Mono(self.mono_us.saturating_add(us))
    }
}

/// What the monotonic clock shows when the scheduler starts, in microseconds: 36,000 years. A time that was stored by an
/// earlier process lies before the start of this one, and how late it is can only be told if it is not below zero.
pub(crate) const MONO_START_US: u64 = 1 << 60;

/// When something is due, on the clock it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Mono(u64),
    Wall(u64),
}

impl Due {
    /// The same, so much later.
    pub(crate) fn later(self, delay_us: u64) -> Self {
        match self {
            Self::Mono(at) => Self::Mono(at.saturating_add(delay_us)),
            Self::Wall(at) => Self::Wall(at.saturating_add(delay_us)),
        }
    }

    /// Microseconds until then; 0 if it has come.
    pub(crate) fn wait_us(self, now: Now) -> u64 {
        match self {
            Self::Mono(at) => at.saturating_sub(now.mono_us),
            Self::Wall(at) => at.saturating_sub(now.wall_us),
        }
    }

    /// Microseconds since then; 0 if it has not come.
    pub(crate) fn late_us(self, now: Now) -> u64 {
        match self {
            Self::Mono(at) => now.mono_us.saturating_sub(at),
            Self::Wall(at) => now.wall_us.saturating_sub(at),
        }
    }

    /// The same moment on the wall clock, as that clock stands now.
    pub(crate) fn wall_us(self, now: Now) -> u64 {
        match self {
            Self::Wall(at) => at,
            Self::Mono(_) => now
                .wall_us
                .saturating_add(self.wait_us(now))
                .saturating_sub(self.late_us(now)),
        }
    }

    /// The moment of the monotonic clock that a time of the wall clock is, as the two stand now.
    pub(crate) fn mono_of_wall(wall_us: u64, now: Now) -> Self {
        let behind_us = now.wall_us.saturating_sub(wall_us);
        let ahead_us = wall_us.saturating_sub(now.wall_us);
        Self::Mono(
            now.mono_us
                .saturating_sub(behind_us)
                .saturating_add(ahead_us),
        )
    }
}

/// The real clocks.
///
/// The wall clock is read anew when the last reading is a millisecond old, and in between follows the monotonic one:
/// every step of a job asks for the time, and half of what that costs would be the second clock.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// When the wall clock was last read, by the monotonic one.
    read_at_us: AtomicU64,
    /// How far the wall clock was ahead of the monotonic one then; wraps where it is behind.
    ahead_us: AtomicU64,
}

/// How old a reading of the wall clock may be, in microseconds: what times are shown and stored in.
const WALL_AGE_US: u64 = 1_000;

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            read_at_us: AtomicU64::new(0),
            ahead_us: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let mono_us = MONO_START_US.saturating_add(micros(self.start.elapsed()));
        // Two threads may read at the same time: either of their readings is good, and so is a mixture of both.
        let ahead_us =
            if mono_us.saturating_sub(self.read_at_us.load(Ordering::Acquire)) > WALL_AGE_US {
                let ahead_us = unix_us(SystemTime::now()).wrapping_sub(mono_us);
                self.ahead_us.store(ahead_us, Ordering::Release);
                self.read_at_us.store(mono_us, Ordering::Release);
                ahead_us
            } else {
                self.ahead_us.load(Ordering::Acquire)
            };
        Now {
            mono_us,
            wall_us: mono_us.wrapping_add(ahead_us),
        }
    }
}

/// Microseconds of a duration; the most that fits if it is longer than half a million years.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds since the Unix epoch; 0 before it.
pub(crate) fn unix_us(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, micros)
}

/// The system time of microseconds since the Unix epoch.
pub(crate) fn system_time(wall_us: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(wall_us)
}
