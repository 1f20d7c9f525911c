//! How the program takes memory from the system.

/// Has all threads take memory from one place. By itself the C library of Linux gives each thread a place of its own: what a
/// room holds would be spread over as many as its connections have run on, each as large as it ever was. Threads that
/// took memory before keep theirs.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "no library that we have asks for this")]
pub fn take_memory_from_one_place() {
    // SAFETY: it is given two numbers, and locks what it changes; what was taken before stays as it is.
    let is_so = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    debug_assert_eq!(is_so, 1, "the C library knows it");
}

/// Elsewhere the system does.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn take_memory_from_one_place() {}
