//! Ctrl-C and what the system sends to end a program.

#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the program is asked to end: Ctrl-C, SIGTERM, or a terminal that closes (on Unix where the
/// system tells that this is not to be ignored: on Linux).
pub async fn quit_signal() {
    #[cfg(unix)]
    {
        tokio::select! {
            () = ctrl_c() => {}
            () = signalled(SignalKind::terminate()) => {}
            () = hung_up() => {}
        }
    }
    #[cfg(windows)]
    {
        use tokio::signal::windows::{ctrl_close, ctrl_shutdown};
        match (ctrl_close(), ctrl_shutdown()) {
            (Ok(mut close), Ok(mut shutdown)) => tokio::select! {
                () = ctrl_c() => {}
                _ = close.recv() => {}
                _ = shutdown.recv() => {}
            },
            _ => ctrl_c().await,
        }
    }
}

#[cfg(unix)]
async fn signalled(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => {
            let kind = kind.as_raw_value();
            tracing::warn!("signal {kind} will not end this program in order: {error}");
            std::future::pending::<()>().await;
        }
    }
}

/// The terminal is closed, unless the program was started so that this does not matter to it (`nohup`).
#[cfg(unix)]
async fn hung_up() {
    if is_hangup_ignored() {
        std::future::pending::<()>().await;
    } else {
        signalled(SignalKind::hangup()).await;
    }
}

/// Whether SIGHUP was ignored at the start. Where the system does not tell it is left as it was.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    // Signal 1 is the lowest bit.
    ignored.is_none_or(|ignored| ignored & 1 == 1)
}

async fn ctrl_c() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!("Ctrl-C will not end this program in order: {error}");
        std::future::pending::<()>().await;
    }
}
