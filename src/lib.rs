//! Mixdesk.

pub mod backend;
