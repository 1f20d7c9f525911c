//! Other programs that the desk starts: Blender, and the system's file browser.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::action::Notice;
use super::desk::News;
use super::view::{Failure, Level};
use crate::blender::{self, Installation};

/// Starts Blender and passes on what it tells on its way into the room.
pub(super) async fn follow_blender(
    installation: Installation,
    launch: blender::Launch,
    folder: PathBuf,
    news: mpsc::Sender<News>,
) {
    let tell = async |told| {
        // When the desk has gone, nobody needs to know.
        let _told = news.send(told).await;
    };
    let notice = |text| {
        News::Notice(Notice {
            level: Level::Info,
            text,
        })
    };
    let room = launch.room.clone();
    let mut running = match blender::start(&installation, &launch, &folder).await {
        Ok(running) => running,
        Err(error) => {
            let advice = format!("Start Blender yourself and join “{room}” in its Mixer panel.");
            return tell(News::Failure(Failure {
                what: error.to_string(),
                advice,
            }))
            .await;
        }
    };
    tell(notice(format!(
        "Blender is starting and joins “{room}” by itself."
    )))
    .await;
    while let Some(state) = running.next_state().await {
        tracing::info!("Blender: {}", state.sentence());
        match &state {
            blender::State::Failed(failure) => {
                let advice = failure.advice().to_owned();
                tell(News::Failure(Failure {
                    what: failure.what(),
                    advice,
                }))
                .await;
            }
            blender::State::Joined(_) => tell(notice(state.sentence())).await,
            _ => {}
        }
    }
}

/// Shows a folder in the system's file browser.
pub(super) fn open_folder(folder: &Path) -> std::io::Result<()> {
    let program = if cfg!(windows) {
        "explorer"
    } else if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let mut child = tokio::process::Command::new(program).arg(folder).spawn()?;
    // Waited for, so that nothing is left of it.
    tokio::spawn(async move { child.wait().await });
    Ok(())
}
