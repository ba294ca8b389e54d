//! Who is connected: the bounded number of seats, the share of an address, and who makes room when all are taken.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::limits::Limits;

/// Why nobody was seated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoSeat {
    /// All seats are taken by connections that are being answered.
    Full,
    /// The address has its share.
    AddressFull,
}

/// All seats. There are never more than `max_connections` [`Seat`]s.
pub(super) struct Seats {
    max_per_address: usize,
    exempt_loopback: bool,
    room: Arc<Semaphore>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// A logical clock: each arrival and each beginning of a wait takes the next number.
    now: u64,
    guests: HashMap<u64, Guest>,
    by_address: HashMap<IpAddr, usize>,
    made_room: u64,
}

struct Guest {
    /// Since when it owes us a request, or the rest of one; `None` while it is being answered, or was asked to leave.
    waiting_since: Option<u64>,
    leave: Arc<Notify>,
}

/// One connection's place, free again when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    id: u64,
    address: IpAddr,
    leave: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

/// One request, from its head to the end of its answer; then its connection is waiting again.
pub(super) struct Answering(Arc<Seat>);

impl Seats {
    /// As many seats as the limits say.
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            max_per_address: limits.max_connections_per_address,
            exempt_loopback: limits.exempt_loopback,
            room: Arc::new(Semaphore::new(limits.max_connections)),
            book: Mutex::default(),
        })
    }

    /// Seats a newcomer. When all seats are taken, the guest who has kept us waiting longest is asked to leave, and
    /// this waits the moment until it has: so sockets that are silent, idle or slow, however many, lock nobody out.
    ///
    /// # Errors
    /// Whether the address or the house is full.
    pub(super) async fn take(self: &Arc<Self>, address: IpAddr) -> Result<Seat, NoSeat> {
        let address = share_of(address);
        let is_free = self.exempt_loopback && address.is_loopback();
        if !is_free
            && self
                .book()
                .by_address
                .get(&address)
                .is_some_and(|&count| count >= self.max_per_address)
        {
            return Err(NoSeat::AddressFull);
        }
        let permit = match Arc::clone(&self.room).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) if self.ask_one_to_leave() => Arc::clone(&self.room)
                .acquire_owned()
                .await
                .map_err(|_| NoSeat::Full)?,
            Err(_) => return Err(NoSeat::Full),
        };
        Ok(self.enter(address, permit))
    }

    /// Asks the guest who has been waiting longest to leave; false if all are being answered.
    pub(super) fn ask_one_to_leave(&self) -> bool {
        let mut book = self.book();
        let waiting = book
            .guests
            .values_mut()
            .filter(|guest| guest.waiting_since.is_some());
        let Some(guest) = waiting.min_by_key(|guest| guest.waiting_since) else {
            return false;
        };
        guest.waiting_since = None;
        guest.leave.notify_one();
        book.made_room += 1;
        true
    }

    /// How many were asked to leave so far.
    pub(super) fn made_room(&self) -> u64 {
        self.book().made_room
    }

    fn enter(self: &Arc<Self>, address: IpAddr, permit: OwnedSemaphorePermit) -> Seat {
        let leave = Arc::new(Notify::new());
        let mut book = self.book();
        let id = book.tick();
        book.guests.insert(
            id,
            Guest {
                waiting_since: Some(id),
                leave: Arc::clone(&leave),
            },
        );
        *book.by_address.entry(address).or_default() += 1;
        Seat {
            seats: Arc::clone(self),
            id,
            address,
            leave,
            _permit: permit,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Every change to the book is complete before anything in it could panic.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }
}

impl Seat {
    /// Resolves when the connection has to make room.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// A request's head is here. Its connection counts as waiting, from now, until [`Answering::received`].
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.set_waiting(true);
        Answering(Arc::clone(self))
    }

    fn set_waiting(&self, is_waiting: bool) {
        let mut book = self.seats.book();
        let now = book.tick();
        if let Some(guest) = book.guests.get_mut(&self.id) {
            guest.waiting_since = is_waiting.then_some(now);
        }
    }
}

impl Answering {
    /// The request is here with its body, or as much of it as anyone wants: from now on it is being answered.
    pub(super) fn received(&self) {
        self.0.set_waiting(false);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set_waiting(true);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut book = self.seats.book();
        book.guests.remove(&self.id);
        if let Some(count) = book.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                book.by_address.remove(&self.address);
            }
        }
    }
}

/// The address that shares are counted by: an IPv6 host commonly owns its whole /64.
pub fn share_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address => address,
    }
}
