//! `cargo bench`: measures the relay as people run it, a process that is spoken to over TCP, beside a
//! bare TCP fan-out with the same load in the same run.
//!
//! A figure of one machine says little, a ratio of two says much: the bare fan-out is what the machine
//! can do. Rounds of the two alternate, so that what else the machine does meets both.
//!
//! | file | what it is |
//! |---|---|
//! | `bare.rs` | the bare fan-out, a process of its own: this program again |
//! | `server.rs` | the processes that are measured, from start to end |
//! | `wire.rs` | Mixer's wire, as much as a load needs |
//! | `sender.rs`, `reader.rs`, `crowd.rs` | the load, the same for all sides |
//! | `ground.rs` | what a row has of one side, and its time limit |
//! | `rows/` | what is measured |
//! | `process_figures.rs`, `machine.rs` | what the system says of processes and of itself |
//! | `statistics.rs`, `table.rs` | what it all comes to |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
mod ground;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod process_figures;
#[cfg(target_os = "linux")]
mod reader;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod sender;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod statistics;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("The bench reads memory and CPU time from /proc, so it runs on Linux only.");
}
