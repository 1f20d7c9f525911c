//! What needs a network: a router, colleagues in its LAN, and others in the internet. All of it stands in network
//! namespaces of this computer (see `lab.rs`), and nothing reaches any other.
//!
//! These tests are ignored unless asked for, as they need root and the lab: `.ci/run` asks. Where this computer
//! does not let them they print why, and pass.

// Network namespaces are Linux's.
#![cfg(target_os = "linux")]

mod addresses;
mod discovery;
mod doctor;
mod lab;
mod mapping;
mod programs;
mod pulled;
