//! The console of a program that has a window.

/// Connects standard output to the console that this was started from. On Windows a program with a
/// window has none of its own, and would print `mixdesk rooms` to nowhere.
#[cfg(windows)]
pub fn attach_console() {
    use windows_sys::Win32::System::Console::{ATTACH_PARENT_PROCESS, AttachConsole};
    // SAFETY: the call takes a constant, touches no memory of ours, and is made before any other thread
    // runs. It fails without effect when there is no console, as after a double-click.
    #[expect(unsafe_code, reason = "the system offers nothing else; see SAFETY")]
    let _attached = unsafe { AttachConsole(ATTACH_PARENT_PROCESS) };
}

/// Connects standard output to the console that this was started from; here it always is.
#[cfg(not(windows))]
pub fn attach_console() {}
