//! The yardstick: a TCP fan-out that knows nothing of frames, rooms or histories. What a relay can
//! reach on this machine at best.

use std::convert::Infallible;
use std::io::Read;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::wire::{CONTENT, JOIN_ROOM, frame};

/// What is read and written at once.
const BLOCK_BYTES: usize = 64 << 10;

/// Serves one sender, the first connection, and its readers. Each gets a frame when it is counted in,
/// the one that a relay would send: CONTENT to the sender, JOIN_ROOM to a reader. Ends with the
/// program that started it.
pub(crate) fn run() -> Result<Infallible, String> {
    std::thread::spawn(|| {
        // The other end of this pipe closes when that program ends, however it ends.
        let _end = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the bare fan-out has no runtime: {error}"))?;
    runtime
        .block_on(serve())
        .map_err(|error| format!("the bare fan-out ended: {error}"))
}

async fn serve() -> std::io::Result<Infallible> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!(
        "{}",
        serde_json::json!({"port": listener.local_addr()?.port()})
    );
    let (mut sender, _) = listener.accept().await?;
    sender.set_nodelay(true)?;
    sender.write_all(&frame(CONTENT, b"")).await?;
    let (newcomers, arrivals) = mpsc::channel(1);
    tokio::spawn(fan_out(sender, arrivals));
    loop {
        let (reader, _) = listener.accept().await?;
        reader.set_nodelay(true)?;
        // Without a sender there is nothing to pass on.
        let _counted = newcomers.send(reader).await;
    }
}

async fn fan_out(mut sender: TcpStream, mut arrivals: mpsc::Receiver<TcpStream>) {
    let mut readers: Vec<TcpStream> = Vec::new();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        tokio::select! {
            Some(mut reader) = arrivals.recv() => {
                if reader.write_all(&frame(JOIN_ROOM, b"")).await.is_ok() {
                    readers.push(reader);
                }
            }
            read = sender.read(&mut block) => {
                let Ok(count @ 1..) = read else { return };
                let mut gone = Vec::new();
                for (index, reader) in readers.iter_mut().enumerate() {
                    if reader.write_all(&block[..count]).await.is_err() {
                        gone.push(index);
                    }
                }
                for index in gone.into_iter().rev() {
                    readers.swap_remove(index);
                }
            }
        }
    }
}
