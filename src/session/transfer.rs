//! A room into a file and back, on a connection of its own.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::command::Identity;
use super::driver::{CONNECT_PATIENCE, FRAME_LIMITS};
use super::machine::request_of;
use crate::archive::{self, ArchiveError, Ending, Format, Origin};
use crate::net::{FrameReader, Patience, Target, Why, connect, write_frames};
use crate::protocol::{
    Attributes, ClientMessage, Frame, JoinRequest, Kind, NamedAttributes, RelayMessage, attribute,
    empty_batch,
};

/// How long a relay may say nothing, or take nothing, before a transfer is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Frames between the network and the file. Few, as one may be hundreds of megabytes.
const FRAMES_WAITING: usize = 4;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all, as far as known.
    pub total_bytes: u64,
}

/// What came of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// The room.
    pub room: String,
    /// Commands of its history.
    pub commands: u64,
    /// Bytes at the end of the file that were of no use: it was cut off.
    pub lost_bytes: u64,
}

/// Why a transfer did not work. Neither the room nor a file of before is changed by it.
#[derive(Debug, Error)]
pub enum TransferError {
    /// The relay cannot be reached, or the connection broke.
    #[error("{0}")]
    Connection(Why),
    /// The relay said no.
    #[error("The server refused: {0}")]
    Refused(String),
    /// The room to save is not there.
    #[error("There is no room “{0}” any more.")]
    NoRoom(String),
    /// A room of that name is there already.
    #[error("There is a room “{0}” already.")]
    Exists(String),
    /// The file cannot be written or read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ArchiveError,
    },
    /// The thread that works on the file ended badly.
    #[error("the work on the file ended badly; see the log")]
    Lost,
}

/// A relay that has been greeted.
struct Greeted {
    target: Target,
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    rooms: NamedAttributes,
}

impl Greeted {
    async fn connect(target: &Target, identity: &Identity) -> Result<Self, TransferError> {
        let connected = connect(target, CONNECT_PATIENCE)
            .await
            .map_err(|error| TransferError::Connection(Why::from_connect(error, target)))?;
        let (reader, writer) = connected.stream.into_split();
        let patience = Patience {
            first: PATIENCE,
            stall: PATIENCE,
        };
        let reader = FrameReader::new(reader, FRAME_LIMITS, patience);
        let mut greeted = Self {
            target: target.clone(),
            reader,
            writer,
            rooms: NamedAttributes::new(),
        };
        greeted
            .send(&[
                ClientMessage::SetClientAttributes(identity.attributes()),
                ClientMessage::ListRooms,
            ])
            .await?;
        loop {
            match greeted.message().await? {
                RelayMessage::ListRooms(rooms) => {
                    greeted.rooms = rooms;
                    return Ok(greeted);
                }
                // Such as a relay that is full.
                RelayMessage::SendError(text) => return Err(TransferError::Refused(text)),
                _ => {}
            }
        }
    }

    async fn send(&mut self, messages: &[ClientMessage]) -> Result<(), TransferError> {
        let mut frames = messages
            .iter()
            .map(|message| message.encode().into_wire())
            .collect();
        write(&mut self.writer, &mut frames, &self.target).await
    }

    async fn frame(&mut self) -> Result<Frame, TransferError> {
        let next = next_frame(&mut self.reader, &self.target);
        tokio::time::timeout(PATIENCE, next)
            .await
            .map_err(|_| TransferError::Connection(Why::Silent(self.target.clone())))?
    }

    /// The next message that is not a room command.
    async fn message(&mut self) -> Result<RelayMessage, TransferError> {
        loop {
            let frame = self.frame().await?;
            if !frame.kind().is_room_command() {
                return decode(&frame, &self.target);
            }
        }
    }
}

/// The next frame, however long it takes.
async fn next_frame(
    reader: &mut FrameReader<OwnedReadHalf>,
    target: &Target,
) -> Result<Frame, TransferError> {
    let why = match reader.next().await {
        Ok(Some(frame)) => return Ok(frame),
        Ok(None) => Why::Closed(target.clone(), None),
        Err(error) => Why::from_read(error, target, true),
    };
    Err(TransferError::Connection(why))
}

fn decode(frame: &Frame, target: &Target) -> Result<RelayMessage, TransferError> {
    RelayMessage::decode(frame)
        .map_err(|error| TransferError::Connection(Why::from_wire(&error, target)))
}

async fn write(
    writer: &mut OwnedWriteHalf,
    frames: &mut VecDeque<Bytes>,
    target: &Target,
) -> Result<(), TransferError> {
    let written = write_frames(writer, frames, PATIENCE).await;
    written
        .map(drop)
        .map_err(|error| TransferError::Connection(Why::from_write(&error, target, true)))
}

/// Saves a room to a file: joins it with its own versions, takes its history, leaves. The file takes
/// the place of one of that name only when all of it is there. Dropped before its end, it leaves
/// nothing behind.
///
/// # Errors
/// When the relay, the room or the file is in the way.
pub async fn save(
    target: &Target,
    identity: &Identity,
    room: &str,
    path: &Path,
    format: Format,
    progress: &watch::Sender<Progress>,
) -> Result<Transferred, TransferError> {
    let mut relay = Greeted::connect(target, identity).await?;
    let Some(attributes) = relay.rooms.get(room).cloned() else {
        return Err(TransferError::NoRoom(room.to_owned()));
    };
    progress.send_modify(|now| {
        now.total_bytes = attributes.count(attribute::BYTE_SIZE).unwrap_or_default();
    });
    let request = request_of(room, &attributes);
    let (frames, saving) = start_saving(path.to_owned(), format, room.to_owned(), attributes);
    let taken = take_history(&mut relay, request, &frames, progress).await;
    // Waited for in any case: when this returns, either the file is there or nothing of it is.
    drop(frames);
    let saved = saving.await.map_err(|_| TransferError::Lost)?;
    let commands = taken?;
    saved.map_err(|error| TransferError::File {
        path: path.to_owned(),
        error,
    })?;
    // The file is there, whatever becomes of the connection now.
    let _left = relay
        .send(&[ClientMessage::LeaveRoom(room.to_owned())])
        .await;
    Ok(Transferred {
        room: room.to_owned(),
        commands,
        lost_bytes: 0,
    })
}

/// Joins a room and passes its history on, up to and with the end. Returns the number of commands.
async fn take_history(
    relay: &mut Greeted,
    request: JoinRequest,
    frames: &mpsc::Sender<Option<Frame>>,
    progress: &watch::Sender<Progress>,
) -> Result<u64, TransferError> {
    let room = request.room.clone();
    relay.send(&[ClientMessage::JoinRoom(request)]).await?;
    let (mut begun, mut commands) = (false, 0);
    loop {
        let frame = relay.frame().await?;
        if frame.kind().is_room_command() {
            commands += 1;
            progress.send_modify(|now| now.done_bytes += frame.wire_len() as u64);
            if frames.send(Some(frame)).await.is_err() {
                // The other end is gone, and its result says why.
                return Ok(commands);
            }
            continue;
        }
        match decode(&frame, &relay.target)? {
            // In without a history: the room had ended, and the relay has made it anew for us.
            RelayMessage::JoinRoom(_) if !begun => return Err(TransferError::NoRoom(room)),
            RelayMessage::JoinRoom(_) => {
                let _finished = frames.send(None).await;
                return Ok(commands);
            }
            RelayMessage::ClearContent => begun = true,
            // Once the history comes, an error is about somebody else.
            RelayMessage::SendError(text) if !begun => return Err(TransferError::Refused(text)),
            _ => {}
        }
    }
}

type Saving = JoinHandle<Result<(), ArchiveError>>;

/// Writes the frames that are sent; `None` finishes the file. A sender that is dropped before gives
/// the file up.
fn start_saving(
    path: PathBuf,
    format: Format,
    room: String,
    attributes: Attributes,
) -> (mpsc::Sender<Option<Frame>>, Saving) {
    let (frames_in, mut frames) = mpsc::channel::<Option<Frame>>(FRAMES_WAITING);
    let saving = tokio::task::spawn_blocking(move || {
        let mut writer = archive::create(&path, format, &room, &attributes)?;
        let mut position = 0;
        while let Some(next) = frames.blocking_recv() {
            let Some(frame) = next else {
                return writer.finish();
            };
            writer.write(
                &frame,
                &Origin {
                    position,
                    ..Origin::default()
                },
            )?;
            position += 1;
        }
        Ok(())
    });
    (frames_in, saving)
}

/// What the thread that reads a file gives.
enum Read {
    Heading {
        room: String,
        attributes: Attributes,
        total_bytes: u64,
    },
    Frame(Frame),
    /// The end: batches that were left open, and bytes that were of no use.
    End {
        open_groups: u64,
        lost_bytes: u64,
    },
}

/// Makes a room from a file: with its name and versions, kept open. Dropped before its end, the room
/// is not there, as a relay ends a room whose maker vanishes.
///
/// # Errors
/// When the relay or the file is in the way, or a room of that name is there already.
pub async fn restore(
    target: &Target,
    identity: &Identity,
    path: &Path,
    progress: &watch::Sender<Progress>,
) -> Result<Transferred, TransferError> {
    let (mut parts, reading) = start_reading(path.to_owned());
    let file = |error| TransferError::File {
        path: path.to_owned(),
        error,
    };
    let Some(Read::Heading {
        room,
        attributes,
        total_bytes,
    }) = parts.recv().await
    else {
        reading
            .await
            .map_err(|_| TransferError::Lost)?
            .map_err(file)?;
        return Err(TransferError::Lost);
    };
    progress.send_modify(|now| now.total_bytes = total_bytes);
    let mut relay = Greeted::connect(target, identity).await?;
    if relay.rooms.contains_key(&room) {
        return Err(TransferError::Exists(room));
    }
    relay
        .send(&[ClientMessage::JoinRoom(request_of(&room, &attributes))])
        .await?;
    loop {
        match relay.message().await? {
            RelayMessage::Content => break,
            // Somebody made a room of that name in this moment.
            RelayMessage::ClearContent => return Err(TransferError::Exists(room)),
            RelayMessage::SendError(text) => return Err(TransferError::Refused(text)),
            _ => {}
        }
    }
    let custom = attributes.without(&attribute::OF_ROOMS);
    relay
        .send(&[ClientMessage::SetRoomAttributes(room.clone(), custom)])
        .await?;
    let Greeted { reader, writer, .. } = &mut relay;
    // Both ways at once: a relay that waits for us to read would not take what we send.
    let mut leaving = std::pin::pin!(until_left(reader, target));
    let sending = async {
        let sent = send_content(writer, target, &room, &mut parts, progress).await?;
        reading
            .await
            .map_err(|_| TransferError::Lost)?
            .map_err(file)?;
        // Kept open only once it is whole: a relay may keep what its maker leaves behind half done.
        let last = [
            ClientMessage::Content,
            ClientMessage::SetRoomKeepOpen(room.clone(), true),
            ClientMessage::LeaveRoom(room.clone()),
        ];
        let mut last = last
            .iter()
            .map(|message| message.encode().into_wire())
            .collect();
        write(writer, &mut last, target).await?;
        Ok::<_, TransferError>(sent)
    };
    let (commands, lost_bytes) = tokio::select! {
        sent = sending => sent?,
        left = &mut leaving => {
            left?;
            return Err(TransferError::Refused("it ended the room.".to_owned()));
        }
    };
    tokio::time::timeout(PATIENCE, leaving)
        .await
        .map_err(|_| TransferError::Connection(Why::Silent(target.clone())))??;
    Ok(Transferred {
        room,
        commands,
        lost_bytes,
    })
}

/// Sends what the file holds. Returns the number of commands, and the bytes that were of no use.
async fn send_content(
    writer: &mut OwnedWriteHalf,
    target: &Target,
    room: &str,
    parts: &mut mpsc::Receiver<Read>,
    progress: &watch::Sender<Progress>,
) -> Result<(u64, u64), TransferError> {
    let (mut commands, mut lost) = (0, 0);
    while let Some(part) = parts.recv().await {
        let frames: Vec<Frame> = match part {
            Read::Heading { .. } => Vec::new(),
            Read::Frame(frame) => vec![frame],
            Read::End {
                open_groups,
                lost_bytes,
            } => {
                lost = lost_bytes;
                if open_groups > 0 {
                    tracing::warn!(
                        room,
                        "{open_groups} batches that the file leaves open are closed"
                    );
                }
                // A Blender that joins waits for the end of every batch.
                let closing = (0..open_groups).map(|_| Frame::new(Kind::GROUP_END, &[]));
                if commands == 0 {
                    empty_batch().into()
                } else {
                    closing.collect()
                }
            }
        };
        commands += frames.len() as u64;
        let bytes: u64 = frames.iter().map(|frame| frame.wire_len() as u64).sum();
        let mut out = frames.into_iter().map(Frame::into_wire).collect();
        write(writer, &mut out, target).await?;
        progress.send_modify(|now| now.done_bytes += bytes);
    }
    Ok((commands, lost))
}

/// Reads on until the relay says that we are out: then it has taken everything before that.
async fn until_left(
    reader: &mut FrameReader<OwnedReadHalf>,
    target: &Target,
) -> Result<(), TransferError> {
    loop {
        // While a large room is sent nothing need come back, so this waits as long as the sending.
        let frame = next_frame(reader, target).await?;
        match frame.kind() {
            Kind::LEAVE_ROOM => return Ok(()),
            // About somebody else, or about an attribute: the history is taken all the same.
            Kind::SEND_ERROR => tracing::warn!("while restoring: {:?}", decode(&frame, target)?),
            _ => {}
        }
    }
}

fn start_reading(path: PathBuf) -> (mpsc::Receiver<Read>, JoinHandle<Result<(), ArchiveError>>) {
    let (parts_in, parts) = mpsc::channel(FRAMES_WAITING);
    let reading = tokio::task::spawn_blocking(move || {
        let total_bytes = std::fs::metadata(&path).map_err(ArchiveError::Open)?.len();
        let mut archive = archive::open(&path)?;
        let heading = Read::Heading {
            room: archive.room().to_owned(),
            attributes: archive.attributes().clone(),
            total_bytes,
        };
        // Whoever does not take the parts has given the transfer up.
        if parts_in.blocking_send(heading).is_err() {
            return Ok(());
        }
        let mut stray = 0;
        while let Some(entry) = archive.next() {
            let frame = entry?.frame;
            if archive.stray_group_ends() > stray {
                // The end of a batch that was never begun raises an error in a Blender that joins.
                stray = archive.stray_group_ends();
                continue;
            }
            if parts_in.blocking_send(Read::Frame(frame)).is_err() {
                return Ok(());
            }
        }
        let lost_bytes = match archive.ending() {
            Some(Ending::CutOff { lost_bytes, .. }) => lost_bytes,
            Some(Ending::Whole) | None => 0,
        };
        let _taken = parts_in.blocking_send(Read::End {
            open_groups: archive.open_groups(),
            lost_bytes,
        });
        Ok(())
    });
    (parts, reading)
}
