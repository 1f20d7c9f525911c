//! Ctrl-C and what the system sends to end a program.

/// Resolves when the program is asked to end: Ctrl-C, SIGTERM, or a console that closes.
pub async fn quit_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                () = ctrl_c() => {}
                _ = terminate.recv() => {}
            },
            Err(error) => {
                tracing::warn!("SIGTERM will not end this program in order: {error}");
                ctrl_c().await;
            }
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

async fn ctrl_c() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!("Ctrl-C will not end this program in order: {error}");
        std::future::pending::<()>().await;
    }
}
