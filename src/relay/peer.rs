//! One connection: a read loop and a write loop in one task.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::PeerId;
use super::arriving::Arriving;
use super::attempts::Failed;
use super::card::Card;
use super::cold::ColdError;
use super::delivery::{Delivery, Gathered, TooMuch};
use super::ending::{Ending, Exceeded};
use super::full::Full;
use super::hub::{Admission, Hub};
use super::limits::{DRAIN, SLOW_DRAIN};
use super::log::Log;
use super::outbox::{Outbox, Reply};
use super::pace::{Crowd, Late, MessagePace};
use crate::net::{
    FrameReader, Line, Pulse, ReadError, TURN_BYTES, WriteError, while_alive, write_frames,
};
use crate::protocol::{ClientMessage, Frame, FrameError, Kind, MOST_TOGETHER, RelayMessage, Run};

/// Of a [turn](TURN_BYTES) each read, and each control message, counts as so many bytes at least. With fewer pieces than tokio
/// lets a task take in one go, what else the peer's task has to do is never left out.
const PIECE_BYTES: usize = TURN_BYTES / 64;
/// Each command counts as so many at least: about as many as are given out together are a turn.
const COMMAND_BYTES: usize = TURN_BYTES / MOST_TOGETHER;

/// How long a peer may take nothing that leaves more in memory than it may, …
const TOO_MUCH_PATIENCE: Duration = Duration::from_secs(30);
/// … and how fast it has to take it on the whole.
const TOO_MUCH_BYTES_A_SECOND: usize = 64 << 10;

/// Messages that set attributes.
const SETTERS: [Kind; 2] = [
    Kind::SET_CLIENT_CUSTOM_ATTRIBUTES,
    Kind::SET_ROOM_CUSTOM_ATTRIBUTES,
];

/// What everybody is told when the relay ends.
pub(super) const CLOSING: &str = "The server is closing.";

/// Why a connection ended.
#[derive(Debug, Error)]
enum End {
    #[error("it closed the connection")]
    Closed,
    #[error("this server ended")]
    Shutdown,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("it asked for answers without reading them, and more than {0} bytes wait")]
    Overfull(usize),
    #[error("it does not take what is sent to it, and more than {0} bytes wait")]
    Untaken(usize),
    /// With its last words.
    #[error("the host ended it, with the words: {0}")]
    Host(String),
    #[error(transparent)]
    Limit(Exceeded),
    #[error("{0}")]
    Full(String),
    #[error("its room could not be read: {0}")]
    Cold(#[from] ColdError),
}

impl From<Ending> for End {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Host(words) => Self::Host(words),
            Ending::Limit(exceeded) => Self::Limit(exceeded),
        }
    }
}

impl From<Unwritten> for End {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Write(error) => error.into(),
            Unwritten::Cold(error) => error.into(),
            Unwritten::Untaken(limit) => Self::Untaken(limit),
        }
    }
}

/// Why the write loop ends.
#[derive(Debug, Error)]
enum Unwritten {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Cold(#[from] ColdError),
    #[error("{0} bytes are exceeded by what it does not take")]
    Untaken(usize),
}

impl End {
    /// Whether this is an everyday end. Mixer's own download closes with bytes unread, which arrives
    /// here as a reset.
    fn is_ordinary(&self) -> bool {
        match self {
            Self::Closed | Self::Shutdown | Self::Host(_) => true,
            Self::Read(ReadError::Io(error)) | Self::Write(WriteError::Io(error)) => {
                matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                )
            }
            _ => false,
        }
    }

    /// What the peer is told about it, where it can still be told and would understand.
    fn farewell(&self) -> Option<Reply> {
        let text = match self {
            // Where its room could not be read it may be in the middle of a frame, and who takes nothing would not
            // take this either.
            Self::Closed | Self::Write(_) | Self::Cold(_) | Self::Untaken(_) => return None,
            Self::Read(
                ReadError::Io(_) | ReadError::Truncated | ReadError::Frame(FrameError::NotMixer(_)),
            ) => {
                return None;
            }
            Self::Shutdown => CLOSING.to_owned(),
            Self::Host(words) => words.clone(),
            Self::Limit(exceeded) => exceeded.told(),
            Self::Full(why) => why.clone(),
            Self::Overfull(limit) => format!(
                "The server closed the connection: you asked for answers without reading them, and more than {limit} \
                 bytes waited."
            ),
            Self::Read(error) => format!("The server closed the connection: {error}."),
        };
        Some(Reply::message(&RelayMessage::SendError(text)))
    }

    /// What the host is to know of it, if this is an attempt that failed.
    fn failed(&self) -> Option<Failed> {
        Some(match self {
            Self::Read(ReadError::Frame(FrameError::NotMixer(foreign))) => {
                Failed::Foreign(*foreign)
            }
            Self::Read(ReadError::Silent(patience)) => Failed::Silent(patience.as_secs()),
            Self::Read(ReadError::Frame(_) | ReadError::Stalled(_))
            | Self::Write(WriteError::Stalled(_))
            | Self::Overfull(_)
            | Self::Untaken(_)
            | Self::Limit(_) => Failed::CutOff(self.to_string()),
            Self::Read(ReadError::Io(_) | ReadError::Truncated)
            | Self::Write(WriteError::Io(_) | WriteError::Dead)
            | Self::Full(_)
            | Self::Cold(_)
            | Self::Closed
            | Self::Shutdown
            | Self::Host(_) => return None,
        })
    }

    /// Whether it may be in the middle of sending: a Mixer reads nothing before all of that has gone, be it
    /// gigabytes.
    fn is_amid_sending(&self) -> bool {
        matches!(
            self,
            Self::Full(_)
                | Self::Limit(Exceeded::Arriving(_))
                | Self::Read(ReadError::Frame(FrameError::TooLarge { .. }))
        )
    }

    /// Whether its last words are not to wait behind what it has not taken yet.
    fn is_urgent(&self) -> bool {
        let is_behind = matches!(self, Self::Overfull(_) | Self::Host(_) | Self::Limit(_));
        is_behind || self.is_amid_sending()
    }
}

/// Leaving is a drop: whatever ends the task, the hub hears of it.
struct Presence {
    hub: Arc<Hub>,
    card: Arc<Card>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Self { hub, card } = self;
        card.span.in_scope(|| hub.disconnect(card.id));
    }
}

/// Serves one connection to its end.
pub(super) async fn run<R, W>(
    mut reader: R,
    mut writer: W,
    line: Option<Line>,
    address: SocketAddr,
    admission: Admission,
    hub: Arc<Hub>,
    shutdown: CancellationToken,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Pulse + Unpin,
{
    let delivery = Delivery::new(Arc::clone(&hub), &admission);
    let Admission {
        card,
        outbox,
        quiet,
        mut ended,
        pace,
        ..
    } = admission;
    let presence = Presence {
        hub: Arc::clone(&hub),
        card: Arc::clone(&card),
    };

    let carried = || line.as_ref().map_or(0, Line::carried);
    let (patience, sends_on, _farewell);
    let told = {
        let mut writing = pin!(write_loop(
            &mut writer,
            line.as_ref(),
            delivery,
            &hub,
            &outbox,
            &card
        ));
        let end = {
            let mut reading = pin!(read_loop(&mut reader, &hub, &outbox, &card, quiet, pace));
            // Others wait for what is read. The rest has its turn whenever the reading ends its own.
            let end = tokio::select! {
                biased;
                end = &mut reading => end,
                () = shutdown.cancelled() => End::Shutdown,
                Ok(ending) = &mut ended => ending.into(),
                written = &mut writing => written.map_or_else(End::from, |()| End::Closed),
            };
            if matches!(end, End::Write(WriteError::Io(_))) {
                // It is gone, but what it sent before that has arrived and belongs to its room.
                let _read = timeout(DRAIN, &mut reading).await;
            }
            end
        };
        // The others hear of it at once, however long the last words take.
        drop(presence);
        if let Some(failed) = end.failed() {
            hub.door.record(address.ip(), failed);
        }
        card.span.in_scope(|| log_end(&end, &card, quiet));
        if matches!(end, End::Write(_) | End::Cold(_) | End::Untaken(_)) {
            return;
        }
        patience = if end.is_urgent() {
            outbox.forget_rest();
            SLOW_DRAIN
        } else {
            DRAIN
        };
        // As many as may be told why they are not let in.
        let farewell = end
            .is_amid_sending()
            .then(|| hub.door.farewell(address.ip()))
            .flatten();
        sends_on = farewell.is_some();
        _farewell = farewell;
        outbox.close(end.farewell());
        let mut telling = pin!(last_words(writing, &carried, patience, &shutdown));
        let told = tokio::select! {
            biased;
            told = &mut telling => told,
            // What it still sends has to be taken, or it never comes to reading.
            () = take_rest(&mut reader), if sends_on => telling.await,
        };
        told && !matches!(end, End::Closed)
    };
    // Who did not take its last words in time has none on their way.
    if told {
        let (start, mut before) = (Instant::now(), carried());
        let goes_on = |on_its_way| {
            let by_now = carried();
            let came = std::mem::replace(&mut before, by_now) != by_now;
            let is_patient = start.elapsed() < patience && !shutdown.is_cancelled();
            is_patient && (on_its_way || sends_on && came)
        };
        let lingering = linger(&mut reader, &mut writer, goes_on);
        lingering.instrument(card.span.clone()).await;
    }
}

fn log_end(end: &End, card: &Card, quiet: bool) {
    // Somebody who only looks whether a relay is here says nothing.
    let has_spoken = card.flowed().0 > 0;
    if quiet || !has_spoken && end.is_ordinary() {
        tracing::debug!("disconnected: {end}");
    } else if end.is_ordinary() {
        tracing::info!("disconnected: {end}");
    } else {
        tracing::warn!("disconnected: {end}");
    }
}

/// Writes what is left for a peer that has to go, as long as it takes some of it. Whether it took all.
async fn last_words(
    mut writing: impl Future<Output = Result<(), Unwritten>> + Unpin,
    carried: impl Fn() -> u64,
    patience: Duration,
    shutdown: &CancellationToken,
) -> bool {
    let start = Instant::now();
    loop {
        let before = carried();
        if let Ok(written) = timeout(DRAIN, &mut writing).await {
            return written.is_ok();
        }
        if carried() == before || start.elapsed() >= patience || shutdown.is_cancelled() {
            return false;
        }
    }
}

/// Closes our side, and takes what the other end still sends for a moment, and as long as `goes_on` says so, which
/// is told whether something is on its way there: closing with unread bytes would make the system throw away the
/// last words.
pub(super) async fn linger<R: AsyncRead + Unpin, W: AsyncWrite + Pulse + Unpin>(
    reader: &mut R,
    writer: &mut W,
    mut goes_on: impl FnMut(bool) -> bool,
) {
    if let Err(error) = writer.shutdown().await {
        tracing::debug!("closing: {error}");
        return;
    }
    let mut ended = pin!(take_rest(reader));
    while timeout(DRAIN, &mut ended).await.is_err() {
        if !goes_on(writer.is_on_its_way()) {
            return;
        }
    }
}

/// Takes what still comes, and throws it away.
async fn take_rest<R: AsyncRead + Unpin>(reader: &mut R) {
    let mut sink = [0; 4096];
    while matches!(reader.read(&mut sink).await, Ok(1..)) {}
}

async fn read_loop<R: AsyncRead + Unpin>(
    io: &mut R,
    hub: &Hub,
    outbox: &Outbox,
    card: &Arc<Card>,
    quiet: bool,
    mut pace: MessagePace,
) -> End {
    let limits = hub.limits();
    let mut reader = FrameReader::new(io, limits.frames(), limits.patience());
    let mut arriving = Arriving::new(hub, card);
    let mut log: Option<Arc<Log>> = None;
    let mut taken = 0;
    loop {
        if taken >= TURN_BYTES {
            taken = 0;
            yield_now().await;
        }
        if let Some(commands) = reader.arrived_commands() {
            let bytes = commands.wire().len();
            count_in(card, bytes, quiet);
            // Their bytes counted when they came.
            taken += (commands.frames() * COMMAND_BYTES).saturating_sub(bytes);
            let Some(log) = &log else {
                let dropped = || hub.dropped(card.id, commands.frames());
                card.span.in_scope(dropped);
                continue;
            };
            if let Err(full) = append(hub, log, card, commands) {
                return End::Full(full.to_string());
            }
            log.caught_up().await;
            continue;
        }
        match reader.arrived() {
            Ok(Some(frame)) => {
                count_in(card, frame.wire_len(), quiet);
                taken += PIECE_BYTES;
                let payload_bytes = frame.payload().len();
                let mut waits = pace.waits(frame.kind(), payload_bytes, Instant::now());
                while let Some(late) = waits.next(Instant::now()) {
                    if late.first {
                        let words = too_fast(&late);
                        card.span.in_scope(|| hub.refuse(card.id, words));
                    }
                    sleep(late.wait).await;
                }
                card.span.in_scope(|| control(hub, card.id, &frame));
                log = outbox.log();
                if let Some(limit) = outbox.exceeds() {
                    return End::Overfull(limit);
                }
            }
            Err(error) => return ReadError::from(error).into(),
            Ok(None) => {
                arriving.takes(reader.held_bytes());
                match reader.fill().await {
                    Ok(0) => return End::Closed,
                    Ok(bytes) => taken += bytes.max(PIECE_BYTES),
                    Err(error) => return error.into(),
                }
            }
        }
    }
}

fn count_in(card: &Card, bytes: usize, quiet: bool) {
    if !quiet && card.flowed().0 == 0 {
        tracing::info!(parent: &card.span, client = card.client_id, "connected");
    }
    card.count_in(bytes as u64);
}

/// Room commands that arrived together go into the log together.
fn append(hub: &Hub, log: &Log, card: &Arc<Card>, commands: Run) -> Result<(), Full> {
    if log.append(card, commands, Instant::now())? {
        hub.ring();
    }
    Ok(())
}

fn too_fast(late: &Late) -> String {
    let a_second = late.a_second;
    let who = match late.crowd {
        Crowd::Peer => format!("You send more than {a_second} messages a second."),
        Crowd::Address => format!("From your address come more than {a_second} messages a second."),
        Crowd::All => format!("The server gets more than {a_second} messages a second."),
    };
    format!("{who} What you send waits: nothing of it is lost.")
}

fn control(hub: &Hub, id: PeerId, frame: &Frame) {
    let (bytes, most) = (
        frame.payload().len(),
        hub.limits().attributes_message_bytes(),
    );
    // Before it is read: that may take a while.
    if SETTERS.contains(&frame.kind()) && bytes > most {
        let words = format!(
            "These attributes are too large: a message with {bytes} bytes of them, and {most} are looked into."
        );
        return hub.refuse(id, words);
    }
    match ClientMessage::decode(frame) {
        Ok(message) => hub.handle(id, message),
        Err(error) => hub.refuse(id, format!("{} was not understood: {error}.", frame.kind())),
    }
}

/// Writes to a peer that leaves more in memory than it may, as long as it takes it.
async fn write_in_time<W: AsyncWrite + Pulse + Unpin>(
    io: &mut W,
    out: &mut VecDeque<Bytes>,
    patience: Duration,
    TooMuch { limit, bytes }: TooMuch,
) -> Result<u64, Unwritten> {
    let in_all = Duration::from_secs((bytes / TOO_MUCH_BYTES_A_SECOND) as u64) + TOO_MUCH_PATIENCE;
    let writing = write_frames(io, out, patience.min(TOO_MUCH_PATIENCE));
    let written = timeout(in_all, writing).await;
    Ok(written.map_err(|_| Unwritten::Untaken(limit))??)
}

async fn write_loop<W: AsyncWrite + Pulse + Unpin>(
    io: &mut W,
    line: Option<&Line>,
    mut delivery: Delivery,
    hub: &Hub,
    outbox: &Outbox,
    card: &Card,
) -> Result<(), Unwritten> {
    let patience = hub.limits().write_patience();
    let mut news = hub.bulletin.bell();
    loop {
        // Mark the bells as seen, then look, then wait: what rings in between is not missed.
        news.mark_unchanged();
        let closing = outbox.is_closing();
        let mut out = outbox.begun()?;
        let gathered = while_alive(io, delivery.gather(&mut out)).await??;
        if !out.is_empty() {
            let written = match delivery.begin_writing() {
                None => write_frames(io, &mut out, patience).await?,
                Some(too_much) => write_in_time(io, &mut out, patience, too_much).await?,
            };
            delivery.end_writing();
            card.count_out(written);
        } else if gathered == Gathered::Some {
            // A part of the history of which nothing is left: others get their turn.
            yield_now().await;
        }
        if gathered == Gathered::Some {
            continue;
        }
        if closing && !outbox.awaits_room() {
            io.flush().await.map_err(WriteError::from)?;
            return Ok(());
        }
        let _resting = outbox.rest(line);
        tokio::select! {
            biased;
            () = outbox.changed() => {}
            _ = news.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use tokio::io::ReadBuf;
    use tokio::task::coop::consume_budget;

    use super::*;
    use crate::protocol::{Attributes, JoinRequest, Kind};
    use crate::relay::{Guests, Limits};

    /// Says one small thing after the other, without end and without a pause.
    struct Endless(Frame);

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            // As a socket does.
            ready!(pin!(consume_budget()).poll(context));
            into.put_slice(self.0.wire());
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn who_talks_without_end_can_be_removed() {
        for kind in [Kind(140), Kind::LIST_CLIENTS] {
            let hub = Arc::new(Hub::new(Limits::default(), Guests::default(), None));
            let address = SocketAddr::from(([192, 0, 2, 1], 50_000));
            let admission = hub.connect(address, false).unwrap();
            let ending = Ending::Host("Please go.".to_owned());
            assert_eq!(hub.end(|_| true, &ending), 1);
            let card = Arc::clone(&admission.card);
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let frame = Frame::new(kind, b"");
            let one_turn = frame.wire_len() * (TURN_BYTES / PIECE_BYTES);
            let running = run(
                Endless(frame),
                theirs,
                None,
                address,
                admission,
                Arc::clone(&hub),
                CancellationToken::new(),
            );
            // What is said without end is not waited for longer than that.
            let patience = 2 * DRAIN + Duration::from_secs(5);
            timeout(patience, running).await.expect("it is removed");
            assert_eq!(hub.peers(), 0);
            let taken = card.flowed().0;
            assert!(taken <= one_turn as u64, "{taken} bytes, more than a turn");
            drop(ours);
        }
    }

    /// A peer that is served and takes nothing of what it is written, and a room that somebody else made.
    struct Deaf {
        hub: Arc<Hub>,
        maker: Admission,
        to_relay: tokio::io::DuplexStream,
        from_relay: tokio::io::DuplexStream,
        running: tokio::task::JoinHandle<()>,
    }

    impl Deaf {
        fn new(limits: Limits) -> Self {
            let hub = Arc::new(Hub::new(limits, Guests::default(), None));
            let maker = hub.connect(([192, 0, 2, 1], 50_001).into(), false).unwrap();
            hub.handle(maker.card.id, join());
            hub.handle(maker.card.id, ClientMessage::Content);
            let address = SocketAddr::from(([192, 0, 2, 1], 50_000));
            let admission = hub.connect(address, false).unwrap();
            let (to_relay, reader) = tokio::io::duplex(1 << 10);
            let (from_relay, writer) = tokio::io::duplex(1 << 10);
            let running = tokio::spawn(run(
                reader,
                writer,
                None,
                address,
                admission,
                Arc::clone(&hub),
                CancellationToken::new(),
            ));
            Self {
                hub,
                maker,
                to_relay,
                from_relay,
                running,
            }
        }

        async fn say(&mut self, message: &ClientMessage) {
            self.to_relay
                .write_all(message.encode().wire())
                .await
                .unwrap();
        }

        /// How long it takes until it is not served any more.
        async fn ends(self) -> Duration {
            let start = tokio::time::Instant::now();
            self.running.await.unwrap();
            start.elapsed()
        }
    }

    fn join() -> ClientMessage {
        ClientMessage::JoinRoom(JoinRequest {
            room: "Shot 12".to_owned(),
            blender_version: "4.5".to_owned(),
            mixer_version: "1.2".to_owned(),
            ignore_version_check: false,
            generic_protocol: true,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_nobody_takes_counts_as_what_waits() {
        let (much, little) = (64 << 20, 100 << 10);
        for (pending_bytes, most) in [(little, 2 * TOO_MUCH_PATIENCE), (much, Duration::MAX)] {
            let limits = Limits {
                pending_bytes,
                ..Limits::default()
            };
            let write_patience = limits.write_patience();
            let mut deaf = Deaf::new(limits);
            let attributes = format!(r#"{{"notes": "{}"}}"#, "n".repeat(200 << 10));
            let attributes = Attributes::parse(&attributes).unwrap();
            let about = ClientMessage::SetRoomAttributes("Shot 12".to_owned(), attributes);
            deaf.hub.handle(deaf.maker.card.id, about);
            deaf.say(&ClientMessage::ListRooms).await;
            let took = deaf.ends().await;
            assert!(took <= most, "{took:?}");
            assert!(took >= TOO_MUCH_PATIENCE.min(write_patience), "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_much_and_takes_it_is_not_cut_off() {
        const PIECE: usize = 64 << 10;
        let mut deaf = Deaf::new(Limits {
            pending_bytes: 1 << 10,
            ..Limits::default()
        });
        let attributes = format!(r#"{{"notes": "{}"}}"#, "n".repeat(400 << 10));
        let attributes = Attributes::parse(&attributes).unwrap();
        let about = ClientMessage::SetRoomAttributes("Shot 12".to_owned(), attributes);
        deaf.hub.handle(deaf.maker.card.id, about);
        deaf.say(&ClientMessage::ListRooms).await;
        for _ in 0..4 {
            sleep(TOO_MUCH_PATIENCE / 5).await;
            deaf.from_relay
                .read_exact(&mut vec![0; PIECE])
                .await
                .unwrap();
        }
        // What it asks for meanwhile is no reason either.
        deaf.say(&ClientMessage::ClientId).await;
        let mut rest = vec![0; 140 << 10];
        deaf.from_relay.read_exact(&mut rest).await.unwrap();
        assert!(!deaf.running.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_message_is_in_memory_for_nobody_who_does_not_take_it() {
        let mut deaf = Deaf::new(Limits {
            pending_bytes: 1 << 20,
            ..Limits::default()
        });
        deaf.say(&join()).await;
        while deaf.hub.directory().rooms[0].members < 2 {
            yield_now().await;
        }
        // Not kept, so it stands in no file.
        let large = Run::from(Frame::new(Kind::FRAME, &vec![7; 5 << 20]));
        let log = deaf.maker.outbox.log().unwrap();
        log.append(&deaf.maker.card, large, Instant::now()).unwrap();
        drop(log);
        let took = deaf.ends().await;
        assert!(took <= 2 * TOO_MUCH_PATIENCE, "{took:?}");
    }
}
