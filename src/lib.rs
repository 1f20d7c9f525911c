//! Mixdesk.

pub mod backend;
pub mod gui;
