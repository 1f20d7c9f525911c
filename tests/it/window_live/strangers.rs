//! What a window may meet at an address: relays, and what is none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mixdesk::net::Bind;
use mixdesk::relay::{Guests, Limits, Relay, bind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::common::client::{frame, string};

/// An address of this computer for which *Connect* starts no relay.
pub(super) const ELSEWHERE: &str = "127.0.0.2";
const ELSEWHERE_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A relay as if on another computer. Port 0 takes any.
pub(super) fn relay_elsewhere(others: &Runtime, port: u16) -> Relay {
    let _inside = others.enter();
    bind(Bind::Only(IpAddr::V4(ELSEWHERE_IP)), port)
        .unwrap()
        .start(Limits::default(), Guests::default())
}

/// What something that is no relay does with a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Habit {
    /// Takes it, and says nothing.
    Silent,
    /// Closes it at once.
    Closes,
    /// Sends half of a frame of a relay, then closes.
    ClosesMidway,
    /// Answers as a web server does.
    Web,
    /// Answers with its own name, as SSH does.
    Ssh,
}

/// Starts something that is no relay; where it is.
pub(super) fn stranger(others: &Runtime, ip: Ipv4Addr, habit: Habit) -> SocketAddr {
    let listener = others.block_on(TcpListener::bind((ip, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    others.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream, habit));
        }
    });
    address
}

async fn treat(mut stream: TcpStream, habit: Habit) {
    let mut heard = [0; 256];
    // Whoever connects may go at any time.
    match habit {
        Habit::Silent => while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {},
        Habit::Closes => {}
        Habit::ClosesMidway => {
            let _heard = stream.read(&mut heard).await;
            let frame = frame(18, 0, &string("127.0.0.1:50000"));
            let _sent = stream.write_all(&frame[..20]).await;
        }
        Habit::Web => {
            let _heard = stream.read(&mut heard).await;
            let _sent = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                .await;
        }
        Habit::Ssh => {
            let _sent = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
            let _heard = stream.read(&mut heard).await;
        }
    }
}

/// A line to a relay that can be as slow as a test needs: it carries so many bytes towards the window,
/// and the rest when it is allowed to.
pub(super) struct Line {
    pub(super) address: SocketAddr,
    may_carry: watch::Sender<u64>,
}

impl Line {
    pub(super) fn to(others: &Runtime, relay: SocketAddr) -> Self {
        let listener = others
            .block_on(TcpListener::bind((ELSEWHERE_IP, 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (may_carry, allowed) = watch::channel(u64::MAX);
        others.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(relay).await.unwrap();
                tokio::spawn(carry(near, far, allowed.clone()));
            }
        });
        Self { address, may_carry }
    }

    /// Carries this many more bytes of each connection.
    pub(super) fn allow(&self, bytes: u64) {
        self.may_carry.send_replace(bytes);
    }
}

async fn carry(near: TcpStream, far: TcpStream, mut allowed: watch::Receiver<u64>) {
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_near, &mut to_far).await });
    let mut left = *allowed.borrow_and_update();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = tokio::select! {
            biased;
            changed = allowed.changed() => {
                if changed.is_err() {
                    return;
                }
                left = *allowed.borrow_and_update();
                continue;
            }
            read = from_far.read(&mut buffer[..most]), if most > 0 => read,
        };
        let Ok(read @ 1..) = read else { return };
        left = left.saturating_sub(read as u64);
        if to_near.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Ends a relay and all else on `others` as when its computer is switched off: nobody is told. The
/// port is free afterwards.
pub(super) fn kill(others: Runtime, relay: Relay) {
    others.shutdown_timeout(Duration::from_secs(10));
    // Not before: it would end in order.
    drop(relay);
}
