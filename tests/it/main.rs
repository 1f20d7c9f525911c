//! Tests of the whole program, in one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod bad_input;
mod behind;
mod blender;
mod cli;
mod common;
mod decoder;
mod doctor;
mod faults;
mod fuzz;
mod guests;
mod invite;
mod netlab;
mod session;
mod shutdown;
mod tidy;
mod traffic;
mod transcripts;
mod transfer;
mod window;
mod window_live;
