//! Tests of the whole program, in one binary.

mod common;
mod tidy;
mod traffic;
mod transcripts;
