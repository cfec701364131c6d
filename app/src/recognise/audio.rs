//! Utterance memory shared with the recogniser process: a fixed pool of slots, each room for one segment.
//!
//! The listener writes sound straight into a slot; the recogniser reads it in place. A slot has one owner at a
//! time: the listener, then the recognise thread while the recogniser works on it, then the pool again. The
//! sound outlives the recogniser: when that crashes, the next one is pointed at the same slot.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use serde::{Deserialize, Serialize};

use crate::sizes::{SEGMENT_SAMPLES_MAX, SEGMENT_SLOTS, SLOT_SAMPLES};

// Slots begin at page boundaries, as `release_pages` needs.
const _: () =
    assert!((SLOT_SAMPLES * size_of::<f32>()).is_multiple_of(1 << 16) && SEGMENT_SAMPLES_MAX <= SLOT_SAMPLES);

const SLOTS_BYTES: usize = SEGMENT_SLOTS * SLOT_SAMPLES * size_of::<f32>();
/// The slots, and a page (of up to 64 KiB) behind them for what is told while the recogniser works.
const POOL_BYTES: usize = SLOTS_BYTES + (1 << 16);

/// Marks a segment that is recognised before it is known to be one. Later ones are greater; 0 marks none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ticket(u32);

impl Ticket {
    /// The one after this. In dictations without end it would take a century to run out.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The memory of the pool, mapped into this process.
struct Mapping(NonNull<c_void>);

// SAFETY: the mapping is plain memory that lives as long as this value; who may touch which slot is settled by
// ownership of `Slot` (writer) and by the request protocol (reader), not by the mapping.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` alone gives no access to the samples.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(fd: BorrowedFd, protection: ProtFlags) -> Result<Self, Errno> {
        const LENGTH: NonZeroUsize = NonZeroUsize::new(POOL_BYTES).expect("the pool has room");
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let address = unsafe { mmap(None, LENGTH, protection, MapFlags::MAP_SHARED, fd, 0)? };
        Ok(Self(address))
    }

    fn slot(&self, index: usize) -> NonNull<f32> {
        assert!(index < SEGMENT_SLOTS);
        // SAFETY: the index was checked, so the result lies inside the mapping; pages are aligned for f32.
        unsafe { self.0.cast::<f32>().add(index * SLOT_SAMPLES) }
    }

    /// The last ticket that was withdrawn. Withdrawn in order, so all before it are over too.
    fn withdrawn(&self) -> &AtomicU32 {
        // SAFETY: the page behind the slots is inside the mapping, aligned, zero at first, and only ever used as this
        // atomic by both processes.
        unsafe { self.0.cast::<u8>().add(SLOTS_BYTES).cast::<AtomicU32>().as_ref() }
    }

    fn is_withdrawn(&self, ticket: Ticket) -> bool {
        self.withdrawn().load(Ordering::Relaxed) >= ticket.0
    }

    /// Let go of this process's page table entries for a slot. The memory itself, and what is in it, stays; the
    /// next access finds it again. Keeps a segment from counting in both processes' resident sets for ever.
    fn release_pages(&self, index: usize) {
        let address = self.slot(index).as_ptr().cast();
        // The first also lets go of pages that the process has locked (Linux 5.18); the other is older.
        for advice in [libc::MADV_DONTNEED_LOCKED, libc::MADV_DONTNEED] {
            // SAFETY: of a shared mapping of a memfd, this drops the mapping of pages and no content.
            if unsafe { libc::madvise(address, SLOT_SAMPLES * size_of::<f32>(), advice) } == 0 {
                break;
            }
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `new`, and slots hold an `Arc` of it, so none is left.
        let _ = unsafe { munmap(self.0, POOL_BYTES) };
    }
}

/// Numbers of the free slots, the one used last on top: as long as one or two suffice, the pages of the others are
/// never touched and cost no memory.
#[derive(Default)]
struct FreeList {
    slots: Mutex<heapless::Vec<usize, SEGMENT_SLOTS>>,
    returned: Condvar,
}

impl FreeList {
    fn lock(&self) -> MutexGuard<'_, heapless::Vec<usize, SEGMENT_SLOTS>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, slot: usize) {
        self.lock().push(slot).expect("no more slots than there are");
        self.returned.notify_one();
    }
}

/// The pool, on the program's side.
pub struct Pool {
    free: Arc<FreeList>,
    mapping: Arc<Mapping>,
    memory: Arc<OwnedFd>,
}

/// The pool's memory, to be handed to a recogniser.
#[derive(Clone)]
pub struct SharedMemory(Arc<OwnedFd>);

impl AsFd for SharedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Pool {
    /// Make the memory. Pages cost nothing until they are written.
    pub fn new() -> Result<Self, Errno> {
        let memory = memfd_create(c"oratype-utterances", MFdFlags::MFD_CLOEXEC)?;
        nix::unistd::ftruncate(&memory, POOL_BYTES as i64)?;
        let mapping = Arc::new(Mapping::new(memory.as_fd(), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?);
        let free = Arc::new(FreeList::default());
        (0..SEGMENT_SLOTS).rev().for_each(|index| free.put(index));
        Ok(Self { free, mapping, memory: Arc::new(memory) })
    }

    /// The memory, for the recogniser.
    pub fn memory(&self) -> SharedMemory {
        SharedMemory(Arc::clone(&self.memory))
    }

    /// Free slots.
    pub fn free(&self) -> usize {
        self.free.lock().len()
    }

    /// Nobody needs the text of the segment with this ticket any more.
    pub fn withdraw(&self, ticket: Ticket) {
        self.mapping.withdrawn().fetch_max(ticket.0, Ordering::Relaxed);
    }

    /// A free slot, if there is one.
    pub fn take(&self) -> Option<Slot> {
        let index = self.free.lock().pop()?;
        Some(self.slot(index))
    }

    /// A free slot, waiting until one comes back.
    pub fn wait_take(&self) -> Slot {
        let mut free = self.free.lock();
        loop {
            match free.pop() {
                Some(index) => return self.slot(index),
                None => free = self.free.returned.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn slot(&self, index: usize) -> Slot {
        Slot { index, length: 0, home: Arc::clone(&self.free), mapping: Arc::clone(&self.mapping) }
    }
}

/// Room for one segment; goes back to the pool when dropped.
pub struct Slot {
    index: usize,
    length: usize,
    home: Arc<FreeList>,
    mapping: Arc<Mapping>,
}

impl Slot {
    /// Its number in the shared memory.
    pub fn index(&self) -> u32 {
        self.index as u32
    }

    /// Whether the segment with this ticket was withdrawn.
    pub fn is_withdrawn(&self, ticket: Ticket) -> bool {
        self.mapping.is_withdrawn(ticket)
    }

    /// What was written so far.
    pub fn samples(&self) -> &[f32] {
        // SAFETY: `length` samples were written; this `Slot` is the only one with its index in this process, and
        // the recogniser only reads.
        unsafe { std::slice::from_raw_parts(self.mapping.slot(self.index).as_ptr(), self.length) }
    }

    /// Room left, samples.
    pub fn room(&self) -> usize {
        SEGMENT_SAMPLES_MAX - self.length
    }

    /// Append as much of `samples` as there is room for; returns how many were taken.
    pub fn append(&mut self, samples: &[f32]) -> usize {
        let taken = samples.len().min(self.room());
        // SAFETY: the target lies within the slot by the line above, and `&mut self` makes us its only user.
        let room = unsafe {
            std::slice::from_raw_parts_mut(self.mapping.slot(self.index).as_ptr().add(self.length), taken)
        };
        room.copy_from_slice(&samples[..taken]);
        self.length += taken;
        taken
    }

    /// The listener is through with it: only the recogniser reads it from now on.
    pub fn hand_over(&self) {
        self.mapping.release_pages(self.index);
    }

    /// Forget the first `count` samples.
    pub fn discard_front(&mut self, count: usize) {
        let count = count.min(self.length);
        // SAFETY: as in `append`; the first `length` samples are written, and `&mut self` makes us their only user.
        let written =
            unsafe { std::slice::from_raw_parts_mut(self.mapping.slot(self.index).as_ptr(), self.length) };
        written.copy_within(count.., 0);
        self.length -= count;
    }

    /// Forget everything from sample `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.home.put(self.index);
    }
}

/// The pool as the recogniser sees it.
pub struct AudioView(Mapping);

impl AudioView {
    /// Map what the program handed over.
    pub fn new(memory: OwnedFd) -> Result<Self, Errno> {
        Ok(Self(Mapping::new(memory.as_fd(), ProtFlags::PROT_READ)?))
    }

    /// Whether the segment with this ticket was withdrawn.
    pub fn is_withdrawn(&self, ticket: Ticket) -> bool {
        self.0.is_withdrawn(ticket)
    }

    /// The recogniser is through with the segment in this slot.
    pub fn release(&self, slot: u32) {
        self.0.release_pages(slot as usize);
    }

    /// The segment a request names; `None` if it cannot be one.
    pub fn segment(&self, slot: u32, samples: u32) -> Option<&[f32]> {
        let (slot, samples) = (slot as usize, samples as usize);
        if slot >= SEGMENT_SLOTS || samples > SEGMENT_SAMPLES_MAX {
            return None;
        }
        // SAFETY: bounds were checked; by the protocol the program does not write to the slot before our reply.
        Some(unsafe { std::slice::from_raw_parts(self.0.slot(slot).as_ptr(), samples) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recogniser_sees_what_was_written() {
        let pool = Pool::new().unwrap();
        let mut slot = pool.take().unwrap();
        assert_eq!(slot.append(&[0.25, -0.5, 1.0]), 3);
        slot.truncate(2);
        slot.append(&[0.125]);
        let view = AudioView::new(pool.memory().as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(view.segment(slot.index(), 3), Some([0.25, -0.5, 0.125].as_slice()));
        assert_eq!(slot.samples(), [0.25, -0.5, 0.125]);
    }

    #[test]
    fn requests_out_of_bounds_are_refused() {
        let pool = Pool::new().unwrap();
        let view = AudioView::new(pool.memory().as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert!(view.segment(SEGMENT_SLOTS as u32, 1).is_none());
        assert!(view.segment(0, SEGMENT_SAMPLES_MAX as u32 + 1).is_none());
    }

    #[test]
    fn a_full_slot_takes_no_more_and_slots_return() {
        let pool = Pool::new().unwrap();
        let mut slots: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(slots.len(), SEGMENT_SLOTS);
        let mut slot = slots.pop().unwrap();
        assert_eq!(slot.append(&vec![0.5; SEGMENT_SAMPLES_MAX + 7]), SEGMENT_SAMPLES_MAX);
        assert_eq!(slot.append(&[0.5]), 0);
        let index = slot.index();
        drop(slot);
        let again = pool.take().unwrap();
        assert_eq!((again.index(), again.samples().len()), (index, 0));
    }
}
