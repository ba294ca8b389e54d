//! Where the jobs sit.

use std::ops::{Index, IndexMut};

use slab::Slab;

use crate::executor::Executor;
use crate::ids::JobId;
use crate::queue::agenda::Seat;
use crate::queue::job::Job;
use crate::queue::plain::Plain;

/// The seats.
pub(super) struct Jobs<E: Executor>(Slab<Seated<E>>);

/// What is on a seat.
pub(super) enum Seated<E: Executor> {
    Whole(Box<Job<E>>),
    Plain(Box<Plain<E>>),
    /// A plain job that was dealt to a worker: the seat is kept until it has come back or has run.
    Dealt,
}

impl<E: Executor> Seated<E> {
    /// Whether it is a job that is there, not one that only waits for its last event to be told.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::Whole(job) => !job.gone,
            Self::Plain(job) => !job.gone,
            Self::Dealt => false,
        }
    }

    pub(super) fn id(&self) -> Option<&JobId> {
        match self {
            Self::Whole(job) => Some(&job.spec.id),
            Self::Plain(job) => Some(&job.id),
            Self::Dealt => None,
        }
    }
}

impl<E: Executor> Default for Jobs<E> {
    fn default() -> Self {
        Self(Slab::new())
    }
}

impl<E: Executor> Jobs<E> {
    /// The seat that the next job gets. The one that was left last is given first.
    pub(super) fn vacant_key(&self) -> Seat {
        self.0.vacant_key()
    }

    pub(super) fn insert(&mut self, job: Seated<E>) -> Seat {
        self.0.insert(job)
    }

    /// Gives a seat to others.
    pub(super) fn vacate(&mut self, seat: Seat) -> Seated<E> {
        self.0.remove(seat)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Seat, &Seated<E>)> {
        self.0.iter()
    }

    pub(super) fn seated(&self, seat: Seat) -> Option<&Seated<E>> {
        self.0.get(seat)
    }

    /// The job on this seat, whole from now on.
    pub(super) fn whole(&mut self, seat: Seat) -> Option<&mut Job<E>> {
        let seated = self.0.get_mut(seat)?;
        if let Seated::Plain(_) = seated
            && let Seated::Plain(plain) = std::mem::replace(seated, Seated::Dealt)
        {
            *seated = Seated::Whole(plain.whole());
        }
        match seated {
            Seated::Whole(job) => Some(job),
            _ => None,
        }
    }

    /// Takes a plain job from its seat, for a worker.
    pub(super) fn deal(&mut self, seat: Seat) -> Option<Box<Plain<E>>> {
        let seated = self.0.get_mut(seat)?;
        match std::mem::replace(seated, Seated::Dealt) {
            Seated::Plain(plain) => Some(plain),
            other => {
                *seated = other;
                None
            }
        }
    }

    /// A job that was dealt sits there again.
    pub(super) fn put_back(&mut self, seat: Seat, job: Seated<E>) {
        self.0[seat] = job;
    }
}

/// Why there is a whole job on a seat that is looked at.
const WHOLE: &str =
    "who looks at a job has made it whole, or it was that when its run or alarm began";

impl<E: Executor> Index<Seat> for Jobs<E> {
    type Output = Job<E>;

    fn index(&self, seat: Seat) -> &Job<E> {
        match &self.0[seat] {
            Seated::Whole(job) => job,
            _ => unreachable!("{WHOLE}"),
        }
    }
}

impl<E: Executor> IndexMut<Seat> for Jobs<E> {
    fn index_mut(&mut self, seat: Seat) -> &mut Job<E> {
        self.whole(seat).expect(WHOLE)
    }
}
