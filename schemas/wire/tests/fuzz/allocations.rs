//! What a thread takes from the heap, counted: no clock, no operating system, the same on every run.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What was taken, whether given back or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Taken {
    /// All allocations together.
    pub(crate) bytes: usize,
    /// The largest of them.
    pub(crate) largest: usize,
}

thread_local! {
    static TAKEN: Cell<Taken> = const { Cell::new(Taken { bytes: 0, largest: 0 }) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator is; it counts, and leaves the work to the system's")]
// SAFETY: every call is the system allocator's own, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Taken { bytes, largest } = TAKEN.get();
        TAKEN.set(Taken { bytes: bytes + layout.size(), largest: largest.max(layout.size()) });
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

/// What `act` gives, and what this thread took for it.
pub(crate) fn counted<T>(act: impl FnOnce() -> T) -> (T, Taken) {
    TAKEN.set(Taken::default());
    let given = act();
    (given, TAKEN.get())
}
