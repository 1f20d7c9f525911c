//! Counting the heap of chosen threads, so that "memory stays flat" is a number and not a hope, and
//! tests that run at the same time do not disturb each other.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

/// What the heap of a thread has done.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    live: AtomicI64,
    peak: AtomicI64,
    moved: AtomicI64,
}

thread_local! {
    /// Constant at first and without a destructor, so that reading it neither allocates nor fails.
    static METER: Cell<Option<&'static Meter>> = const { Cell::new(None) };
}

impl Meter {
    /// Counts what this thread allocates and frees from here on.
    pub(crate) fn of_this_thread() -> &'static Self {
        let meter: &'static Self = Box::leak(Box::default());
        meter.count_here();
        meter
    }

    /// Counts what this thread allocates and frees from here on as well.
    pub(crate) fn count_here(&'static self) {
        METER.set(Some(self));
    }

    /// Bytes allocated and not freed.
    pub(crate) fn live_bytes(&self) -> i64 {
        self.live.load(Ordering::Relaxed)
    }

    /// The most that was live at once since the start or [`forget_peak`](Self::forget_peak).
    pub(crate) fn peak_bytes(&self) -> i64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// What a system that copies whenever a buffer grows would have copied.
    pub(crate) fn moved_bytes(&self) -> i64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Starts the peak anew.
    pub(crate) fn forget_peak(&self) {
        self.peak.store(self.live_bytes(), Ordering::Relaxed);
    }

    fn note(&self, change: i64) {
        let live = self.live.fetch_add(change, Ordering::Relaxed) + change;
        self.peak.fetch_max(live, Ordering::Relaxed);
    }
}

fn note(freed: usize, allocated: usize) {
    // A thread that is ending has no meter any more, and nothing to tell.
    if let Ok(Some(meter)) = METER.try_with(Cell::get) {
        meter.note(allocated as i64 - freed as i64);
        if freed > 0 && allocated > 0 {
            meter.moved.fetch_add(freed as i64, Ordering::Relaxed);
        }
    }
}

/// The system's allocator, counted.
struct Counted;

// SAFETY: every call goes to the system's allocator unchanged, with the caller's own promises, and
// gives back what that gave. The counting beside it touches atomics and a thread-local without lazy
// start or destructor, so it neither allocates nor unwinds.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(layout.size(), size);
        unsafe { System.realloc(start, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

#[test]
fn the_meter_counts_this_thread_only() {
    let meter = Meter::of_this_thread();
    let before = meter.live_bytes();
    let held = vec![1u8; 1 << 20];
    assert_eq!(meter.live_bytes() - before, 1 << 20);
    std::thread::spawn(|| vec![1u8; 4 << 20]).join().unwrap();
    drop(held);
    assert!(meter.peak_bytes() >= 1 << 20);
    assert!(meter.peak_bytes() < 3 << 20);
}
