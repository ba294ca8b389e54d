//! A disk in memory that loses its power, or has no room, at a chosen operation.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

/// What a disk writes as a whole, in bytes: a page of today's disks, and of redb.
const PAGE_BYTES: u64 = 4_096;

/// What befalls a disk.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// From this operation on nothing happens any more: the process is gone, the test only does not know yet.
    PowerLost { at: u64 },
    /// This one operation finds no room, later ones do.
    Full { at: u64 },
}

/// Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What the process sees.
    seen: Vec<u8>,
    /// What the last sync has made durable.
    durable: Vec<u8>,
    /// Pages that were written since, as they are now.
    unsynced: BTreeMap<u64, Vec<u8>>,
    operations: u64,
    most_bytes: usize,
    fault: Option<Fault>,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with_fault(self, fault: Fault) -> Self {
        self.0.lock().unwrap().fault = Some(fault);
        self
    }

    /// How long the file has been at most.
    pub(super) fn most_bytes(&self) -> usize {
        self.0.lock().unwrap().most_bytes
    }

    /// How many writes, syncs and changes of length there were.
    pub(super) fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// The disk as the next process finds it after `kill -9`: with all that the system was told.
    pub(super) fn after_kill(&self) -> Self {
        Self::holding(self.0.lock().unwrap().seen.clone())
    }

    /// The disk after a power cut: of what was not synced, only the pages are there for which `survives` says so, by
    /// their position among them.
    pub(super) fn after_power_cut(&self, survives: impl Fn(usize) -> bool) -> Self {
        let state = self.0.lock().unwrap();
        let mut image = state.durable.clone();
        for (nth, (&page, bytes)) in state.unsynced.iter().enumerate() {
            if survives(nth) {
                let start = usize::try_from(page * PAGE_BYTES).unwrap();
                let end = start + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[start..end].copy_from_slice(bytes);
            }
        }
        Self::holding(image)
    }

    fn holding(image: Vec<u8>) -> Self {
        let state = State {
            most_bytes: image.len(),
            seen: image.clone(),
            durable: image,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Does something that can fail.
    fn change(&self, change: impl FnOnce(&mut State)) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let this = state.operations;
        state.operations += 1;
        match state.fault {
            Some(Fault::PowerLost { at }) if this >= at => Err(io::Error::other("power lost")),
            // As Linux says it: ENOSPC.
            Some(Fault::Full { at }) if this == at => Err(io::Error::from_raw_os_error(28)),
            _ => {
                change(&mut state);
                Ok(())
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let bytes = state.seen.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|state| {
            state.seen.resize(usize::try_from(len).unwrap(), 0);
            state.most_bytes = state.most_bytes.max(state.seen.len());
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|state| {
            state.durable.clone_from(&state.seen);
            state.unsynced.clear();
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|state| {
            let start = usize::try_from(offset).unwrap();
            state.seen[start..start + data.len()].copy_from_slice(data);
            let last = (offset + data.len() as u64).div_ceil(PAGE_BYTES);
            for page in offset / PAGE_BYTES..last {
                let from = usize::try_from(page * PAGE_BYTES).unwrap();
                let to = (from + PAGE_BYTES as usize).min(state.seen.len());
                state.unsynced.insert(page, state.seen[from..to].to_vec());
            }
        })
    }
}
