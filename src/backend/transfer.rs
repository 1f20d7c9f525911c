//! *Save a copy…* and *Restore from file…*: asks for the file, then does it and tells how far it is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rfd::{AsyncFileDialog, FileHandle};
use tokio::sync::{mpsc, watch};

use super::action::Notice;
use super::desk::News;
use super::view::{Failure, Level, Transfer, TransferDirection};
use crate::archive::Format;
use crate::net::Target;
use crate::session::{self, Identity, Progress, TransferError, Transferred};

/// How often the progress is told at most.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Nobody closes a dialog quicker than this.
const SEEN: Duration = Duration::from_millis(200);

/// What a transfer is between.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) target: Target,
    pub(super) identity: Identity,
}

/// Asks for a file, then saves the room into it.
pub(super) async fn save(ends: Ends, room: String, news: mpsc::Sender<News>) {
    let dialog = AsyncFileDialog::new()
        .set_title("Save a copy")
        .set_file_name(format!(
            "{}.{}",
            file_name(&room),
            Format::Mixer.extension()
        ))
        .add_filter("Mixer room", &[Format::Mixer.extension()])
        .add_filter("Mixdesk archive", &[Format::Mixdesk.extension()]);
    let Some(file) = chosen(dialog.save_file(), &news).await else {
        return;
    };
    let (path, shown) = (file.path().to_owned(), room.clone());
    let format = format_of(&path);
    let work = |progress| async move {
        session::save(
            &ends.target,
            &ends.identity,
            &room,
            &path,
            format,
            &progress,
        )
        .await
    };
    follow(
        TransferDirection::Save,
        shown,
        file.path().to_owned(),
        news,
        work,
    )
    .await;
}

/// Asks for a file, then makes a room from it.
pub(super) async fn restore(ends: Ends, news: mpsc::Sender<News>) {
    let dialog = AsyncFileDialog::new()
        .set_title("Restore from file")
        .add_filter(
            "Room files",
            &[Format::Mixer.extension(), Format::Mixdesk.extension()],
        )
        .add_filter("All files", &["*"]);
    let Some(file) = chosen(dialog.pick_file(), &news).await else {
        return;
    };
    let path = file.path().to_owned();
    let shown = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let work = |progress| async move {
        session::restore(&ends.target, &ends.identity, &path, &progress).await
    };
    follow(
        TransferDirection::Restore,
        shown,
        file.path().to_owned(),
        news,
        work,
    )
    .await;
}

/// The file that was chosen. A dialog that ends before anybody could have seen it was never shown.
async fn chosen(
    dialog: impl Future<Output = Option<FileHandle>>,
    news: &mpsc::Sender<News>,
) -> Option<FileHandle> {
    let since = Instant::now();
    let file = dialog.await;
    if file.is_none() && since.elapsed() < SEEN {
        let failure = Failure {
            what: "The system shows no dialog to choose a file.".to_owned(),
            advice: "On Linux, install xdg-desktop-portal or zenity.".to_owned(),
        };
        // When the desk has gone, so has this task.
        let _told = news.send(News::Failure(failure)).await;
    }
    file
}

/// Does the work and tells how far it is. The progress goes away with the end, whatever the end is:
/// also when this is dropped.
async fn follow<F: Future<Output = Result<Transferred, TransferError>>>(
    direction: TransferDirection,
    room: String,
    path: PathBuf,
    news: mpsc::Sender<News>,
    work: impl FnOnce(watch::Sender<Progress>) -> F,
) {
    let (progress_in, mut progress) = watch::channel(Progress::default());
    let since = Instant::now();
    let mut work = std::pin::pin!(work(progress_in));
    let result = loop {
        let Progress {
            done_bytes,
            total_bytes,
        } = *progress.borrow_and_update();
        let transfer = Transfer {
            direction,
            room: room.clone(),
            done_bytes,
            total_bytes,
            since,
        };
        // When the desk has gone, so has this task.
        let _told = news.send(News::Transfer(Some(transfer))).await;
        let more = async {
            tokio::time::sleep(TELL_EVERY).await;
            // The work holds the other end, so this ends only with news.
            let _changed = progress.changed().await;
        };
        tokio::select! {
            result = &mut work => break result,
            () = more => {}
        }
    };
    let told = match result {
        Ok(done) => News::Notice(Notice {
            level: Level::Info,
            text: success(direction, &done, &path),
        }),
        Err(error) => News::Failure(Failure {
            what: sentence(&error),
            advice: advice(&error),
        }),
    };
    let _told = news.send(News::Transfer(None)).await;
    let _told = news.send(told).await;
}

fn success(direction: TransferDirection, done: &Transferred, path: &Path) -> String {
    let Transferred {
        room,
        commands,
        lost_bytes,
    } = done;
    match direction {
        TransferDirection::Save => format!(
            "“{room}” was saved: {commands} edits in {}.",
            path.display()
        ),
        TransferDirection::Restore if *lost_bytes > 0 => format!(
            "“{room}” is back with {commands} edits. The file was cut off: {lost_bytes} bytes at its end were lost."
        ),
        TransferDirection::Restore => {
            format!("“{room}” is back with {commands} edits, and is kept open.")
        }
    }
}

fn sentence(error: &TransferError) -> String {
    let text = error.to_string();
    if text.ends_with('.') {
        text
    } else {
        format!("{text}.")
    }
}

fn advice(error: &TransferError) -> String {
    match error {
        TransferError::Connection(why) => why.advice(),
        TransferError::Exists(_) => "Delete that room first. Nothing was changed.",
        TransferError::Refused(_) | TransferError::NoRoom(_) => "Nothing was changed.",
        TransferError::File { .. } => "Choose another file or folder. Nothing was changed.",
        TransferError::Lost => "Try again. Nothing was changed.",
    }
    .to_owned()
}

/// The format that a file's name asks for; Mixer's own unless it says ours.
fn format_of(path: &Path) -> Format {
    let ours = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case(Format::Mixdesk.extension()));
    if ours { Format::Mixdesk } else { Format::Mixer }
}

/// A room's name as a file's: without what file systems do not allow.
fn file_name(room: &str) -> String {
    let allowed = |c: char| !c.is_control() && !r#"/\:*?"<>|"#.contains(c);
    let name: String = room
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(100)
        .collect();
    let name = name.trim_matches(['.', ' ']);
    if name.is_empty() {
        "room".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rooms_name_makes_a_files_name() {
        for (room, name) in [
            ("Shot 12 – harbour", "Shot 12 – harbour"),
            ("a/b\\c:d", "a-b-c-d"),
            ("..", "room"),
            ("", "room"),
            ("x\n", "x-"),
        ] {
            assert_eq!(file_name(room), name);
        }
    }

    #[test]
    fn the_name_chooses_the_format() {
        assert_eq!(format_of(Path::new("a/b.MIXDESK")), Format::Mixdesk);
        assert_eq!(format_of(Path::new("a/b.mixer")), Format::Mixer);
        assert_eq!(format_of(Path::new("a/b")), Format::Mixer);
    }
}
