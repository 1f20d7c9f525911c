//! From an accepted connection to a peer: at once, once the host has let it in, or not at all.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::attempts::Failed;
use super::door::{Entry, Place, Stay, Visit};
use super::hub::{Admission, Hub};
use super::limits::{DRAIN, Limits};
use super::peer::{self, CLOSING, linger};
use crate::net::{DEAD_AFTER, FEEL_EVERY, Line, Pulse, WriteError, write_frames};
use crate::protocol::{Decoder, Foreign, FrameError, HEADER_BYTES, RelayMessage};

/// What one who waits is told, at once and then now and again: an end that is gone cannot be told from one
/// that is silent before something is on its way to it.
const WAIT: &str = "The host has to let you in first. Wait a moment.";
/// How often.
const WAIT_EVERY: Duration = Duration::from_secs(60);
/// Whoever is gone sooner has only looked whether a relay is here, as those do who try all the addresses of an
/// invite: that is nothing to show to the host.
const GLANCE: Duration = Duration::from_millis(500);
/// How much of what one who waits says is taken in: that it has closed can only be seen behind what it
/// said before. The rest stays in the system's buffer.
const LOBBY_BYTES: usize = 16 << 10;
/// How much of it is looked at to see that it is Mixer: a header, and the first words of other
/// protocols.
const HELLO_BYTES: usize = 64;

/// Why a connection does not become a peer.
#[derive(Debug)]
enum Turned {
    Because(Failed),
    /// It had only looked.
    Looked,
    /// The relay ends.
    Closing,
}

impl From<Failed> for Turned {
    fn from(why: Failed) -> Self {
        Self::Because(why)
    }
}

/// A connection that becomes a peer.
#[derive(Debug)]
struct Admitted {
    admission: Admission,
    /// What it has said already.
    said: Vec<u8>,
    /// Counted as being here until this is dropped.
    _stay: Stay,
}

/// Serves a connection that was accepted, to its end. `line`: the connection, where it may be written to
/// without its task. `span`: what is logged of it is logged in there.
pub(super) async fn serve<R, W>(
    mut reader: R,
    mut writer: W,
    line: Option<Line>,
    visit: Visit,
    hub: Arc<Hub>,
    shutdown: CancellationToken,
    span: Span,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Pulse + Unpin,
{
    let address = visit.address;
    let admitting = admit(&mut reader, &mut writer, visit, &hub, &shutdown);
    if let Some(admitted) = admitting.instrument(span).await {
        let reader = (&admitted.said[..]).chain(reader);
        let admission = admitted.admission;
        peer::run(reader, writer, line, address, admission, hub, shutdown).await;
    }
}

/// Lets a connection in, or tells it why not.
async fn admit<R, W>(
    reader: &mut R,
    writer: &mut W,
    visit: Visit,
    hub: &Arc<Hub>,
    shutdown: &CancellationToken,
) -> Option<Admitted>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Pulse + Unpin,
{
    let (address, quiet) = (visit.address, visit.quiet);
    let mut said = Vec::new();
    let (stay, waited) = match visit.entry {
        Entry::Refuse(why, _farewell) => {
            tell_and_close(reader, writer, why.told()).await;
            return None;
        }
        Entry::Enter(stay) => (stay, Ok(())),
        Entry::Wait(stay, place) => {
            let waiting = wait(reader, writer, &mut said, &place, hub.limits(), quiet);
            let waited = tokio::select! {
                waited = waiting => waited,
                () = shutdown.cancelled() => Err(Turned::Closing),
            };
            (stay, waited)
        }
    };
    let turned = match waited.and_then(|()| Ok(hub.connect(address, quiet)?)) {
        Ok(admission) => {
            return Some(Admitted {
                admission,
                said,
                _stay: stay,
            });
        }
        Err(turned) => turned,
    };
    let told = match turned {
        Turned::Closing => Some(CLOSING.to_owned()),
        Turned::Looked => {
            tracing::debug!("looked whether a relay is here");
            return None;
        }
        Turned::Because(why) => {
            if !quiet {
                tracing::warn!("{why}");
            }
            let told = why.told();
            hub.door.record(address.ip(), why);
            told
        }
    };
    if let Some(_farewell) = hub.door.farewell(address.ip()) {
        tell_and_close(reader, writer, told).await;
    }
    None
}

/// Waits until the host has let the peer in. `quiet`: the log does not tell of it.
///
/// # Errors
/// Why it was not let in.
async fn wait<R: AsyncRead + Unpin, W: AsyncWrite + Pulse + Unpin>(
    reader: &mut R,
    writer: &mut W,
    said: &mut Vec<u8>,
    place: &Place,
    limits: &Limits,
    quiet: bool,
) -> Result<(), Turned> {
    // Whoever only looks for open ports is not worth the host's attention.
    hello(reader, said, limits).await?;
    let came = Instant::now();
    let show = async {
        sleep(GLANCE).await;
        place.show();
        if quiet {
            tracing::debug!("waits for the host to let it in");
        } else {
            tracing::info!("waits for the host to let it in");
        }
        pending().await
    };
    let ask_patience = Duration::from_secs(limits.ask_seconds);
    let failed = tokio::select! {
        answer = place.answer() => return answer.map_err(Turned::from),
        () = gone(reader, said) => Failed::GaveUp,
        () = remind(writer) => Failed::GaveUp,
        () = sleep(ask_patience) => Failed::Unanswered(limits.ask_seconds),
        failed = show => failed,
    };
    match failed {
        Failed::GaveUp if came.elapsed() < GLANCE => Err(Turned::Looked),
        failed => Err(failed.into()),
    }
}

/// Takes in the first header, and looks whether it is Mixer's.
async fn hello<R: AsyncRead + Unpin>(
    reader: &mut R,
    said: &mut Vec<u8>,
    limits: &Limits,
) -> Result<(), Turned> {
    let reading = async {
        while said.len() < HEADER_BYTES {
            if !take_in(reader, said).await {
                return Err(match Foreign::guess(said) {
                    // As those do who check whether an announced session answers.
                    Foreign::Unknown if said.is_empty() => Turned::Looked,
                    Foreign::Unknown => Failed::GaveUp.into(),
                    foreign => Failed::Foreign(foreign).into(),
                });
            }
        }
        Ok(())
    };
    timeout(limits.patience().first, reading)
        .await
        .map_err(|_| Failed::Silent(limits.handshake_seconds))??;
    let mut decoder = Decoder::new(limits.frames());
    decoder
        .spare()
        .put_slice(said.get(..HELLO_BYTES).unwrap_or(said));
    match decoder.next_frame() {
        Ok(_) => Ok(()),
        Err(FrameError::NotMixer(foreign)) => Err(Failed::Foreign(foreign).into()),
        Err(error) => Err(Failed::CutOff(error.to_string()).into()),
    }
}

/// Resolves when the other end has closed, as far as that can be seen.
async fn gone<R: AsyncRead + Unpin>(reader: &mut R, said: &mut Vec<u8>) {
    while said.len() < LOBBY_BYTES {
        if !take_in(reader, said).await {
            return;
        }
    }
    pending::<()>().await;
}

/// Takes in some of what the peer says. `false` when it has closed. Cancel safe.
async fn take_in<R: AsyncRead + Unpin>(reader: &mut R, said: &mut Vec<u8>) -> bool {
    let room = LOBBY_BYTES.saturating_sub(said.len());
    let read = reader.read_buf(&mut said.limit(room)).await;
    read.is_ok_and(|count| count > 0)
}

/// Tells one who waits that it does, and feels for it. Resolves when the other end is gone.
async fn remind<W: AsyncWrite + Pulse + Unpin>(writer: &mut W) {
    let mut tell_at = Instant::now();
    let mut often = interval_at(tell_at, FEEL_EVERY);
    loop {
        let now = often.tick().await;
        if writer.is_dead(DEAD_AFTER) {
            return;
        }
        if now >= tell_at {
            if tell(writer, WAIT).await.is_err() {
                return;
            }
            tell_at = now + WAIT_EVERY;
        }
    }
}

async fn tell<W: AsyncWrite + Pulse + Unpin>(
    writer: &mut W,
    words: &str,
) -> Result<(), WriteError> {
    let message = RelayMessage::SendError(words.to_owned());
    let mut frames = VecDeque::from([message.encode().into_wire()]);
    write_frames(writer, &mut frames, DRAIN).await.map(drop)
}

async fn tell_and_close<R: AsyncRead + Unpin, W: AsyncWrite + Pulse + Unpin>(
    reader: &mut R,
    writer: &mut W,
    words: Option<String>,
) {
    if let Some(words) = words
        && tell(writer, &words).await.is_ok()
    {
        linger(reader, writer, |_| false).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{FrameReader, Patience};
    use crate::protocol::{FrameLimits, Kind};
    use crate::relay::{Guests, Waiting};
    use std::io;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll};
    use tokio::io::{AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
    use tokio::task::JoinHandle;

    const STRANGER: [u8; 4] = [192, 0, 2, 1];

    /// A connection whose other end may be gone without a word.
    struct Feelable {
        inner: WriteHalf<DuplexStream>,
        is_dead: Arc<AtomicBool>,
    }

    impl Pulse for Feelable {
        fn is_dead(&self, _patience: Duration) -> bool {
            self.is_dead.load(Ordering::Relaxed)
        }

        fn is_on_its_way(&self) -> bool {
            false
        }
    }

    impl AsyncWrite for Feelable {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.inner).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.inner).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.inner).poll_shutdown(context)
        }
    }

    /// Somebody at the door of a relay that asks its host. Time passes by itself.
    struct Scene {
        is_dead: Arc<AtomicBool>,
        hub: Arc<Hub>,
        reader: FrameReader<ReadHalf<DuplexStream>>,
        writer: WriteHalf<DuplexStream>,
        serving: JoinHandle<()>,
    }

    impl Scene {
        fn new() -> Self {
            let guests = Guests {
                ask: true,
                ..Guests::default()
            };
            let hub = Arc::new(Hub::new(Limits::default(), guests, None));
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let (reader, inner) = tokio::io::split(theirs);
            let is_dead = Arc::<AtomicBool>::default();
            let writer = Feelable {
                inner,
                is_dead: Arc::clone(&is_dead),
            };
            let visit = hub.door.knock((STRANGER, 50_000).into()).unwrap();
            let shutdown = CancellationToken::new();
            let serving = tokio::spawn(serve(
                reader,
                writer,
                None,
                visit,
                Arc::clone(&hub),
                shutdown,
                Span::none(),
            ));
            let (reader, writer) = tokio::io::split(ours);
            let long = Duration::from_secs(86_400);
            let patience = Patience {
                first: long,
                stall: long,
            };
            Self {
                is_dead,
                hub,
                reader: FrameReader::new(reader, FrameLimits::DEFAULT, patience),
                writer,
                serving,
            }
        }

        async fn say(&mut self, times: usize) {
            let message = crate::protocol::ClientMessage::ClientId.encode();
            let bytes = message.wire().repeat(times);
            self.writer.write_all(&bytes).await.unwrap();
        }

        async fn told(&mut self) -> Option<RelayMessage> {
            let frame = self.reader.next().await.unwrap()?;
            Some(RelayMessage::decode(&frame).unwrap())
        }

        fn waiting(&self) -> Vec<Waiting> {
            self.hub.door.look(super::super::gate::Gate::waiting)
        }

        fn attempts(&self) -> Vec<Failed> {
            let attempts = self.hub.door.look(|gate, _| gate.attempts());
            attempts.into_iter().map(|attempt| attempt.why).collect()
        }
    }

    fn words(text: &str) -> Option<RelayMessage> {
        Some(RelayMessage::SendError(text.to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_waits_is_reminded_and_at_last_sent_away() {
        let mut scene = Scene::new();
        let start = Instant::now();
        scene.say(1).await;
        for _ in 0..10 {
            assert_eq!(scene.told().await, words(WAIT));
        }
        assert_eq!(scene.waiting().len(), 1);
        assert_eq!(start.elapsed(), 9 * WAIT_EVERY);
        let mut last = scene.told().await;
        if last == words(WAIT) {
            last = scene.told().await;
        }
        assert_eq!(last, words("The host did not answer. Try again later."));
        assert_eq!(start.elapsed(), Duration::from_secs(600));
        assert_eq!(scene.told().await, None);
        assert_eq!(scene.waiting(), []);
        assert_eq!(scene.attempts(), [Failed::Unanswered(600)]);
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_was_said_meanwhile_is_answered() {
        const TIMES: usize = 3 * LOBBY_BYTES / HEADER_BYTES;
        let mut scene = Scene::new();
        scene.say(TIMES).await;
        assert_eq!(scene.told().await, words(WAIT));
        let allowed = scene
            .hub
            .door
            .decide(|gate, now| gate.allow(std::net::IpAddr::from(STRANGER).into(), now));
        assert_eq!(allowed, Ok(()));
        for _ in 0..TIMES {
            let frame = scene.reader.next().await.unwrap().unwrap();
            assert_eq!(frame.kind(), Kind::CLIENT_ID);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_only_connects_is_no_attempt() {
        let scene = Scene::new();
        let hub = Arc::clone(&scene.hub);
        drop((scene.reader, scene.writer));
        scene.serving.await.unwrap();
        assert!(hub.door.look(|gate, _| gate.attempts()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_only_looks_is_not_shown() {
        let mut scene = Scene::new();
        scene.say(1).await;
        assert_eq!(scene.told().await, words(WAIT));
        assert_eq!(scene.waiting(), []);
        let hub = Arc::clone(&scene.hub);
        drop((scene.reader, scene.writer));
        scene.serving.await.unwrap();
        assert!(hub.door.look(super::super::gate::Gate::waiting).is_empty());
        assert!(hub.door.look(|gate, _| gate.attempts()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_gone_without_a_word_does_not_wait_for_long() {
        let mut scene = Scene::new();
        scene.say(1).await;
        assert_eq!(scene.told().await, words(WAIT));
        sleep(2 * GLANCE).await;
        assert_eq!(scene.waiting().len(), 1);
        scene.is_dead.store(true, Ordering::Relaxed);
        let start = Instant::now();
        let serving = &mut scene.serving;
        serving.await.unwrap();
        assert!(start.elapsed() <= FEEL_EVERY, "{:?}", start.elapsed());
        assert_eq!(scene.waiting(), []);
        assert_eq!(scene.attempts(), [Failed::GaveUp]);
    }

    /// Behind more than is taken in, a close cannot be seen; a reminder that does not arrive can.
    #[tokio::test(start_paused = true)]
    async fn who_said_much_and_closed_is_no_ghost_for_long() {
        let mut scene = Scene::new();
        scene.say(2 * LOBBY_BYTES / HEADER_BYTES).await;
        assert_eq!(scene.told().await, words(WAIT));
        let (hub, start) = (Arc::clone(&scene.hub), Instant::now());
        drop((scene.reader, scene.writer));
        scene.serving.await.unwrap();
        assert!(start.elapsed() <= 2 * WAIT_EVERY, "{:?}", start.elapsed());
        let attempts = hub.door.look(|gate, _| gate.attempts());
        assert_eq!(attempts[0].why, Failed::GaveUp);
    }
}
