//! Mixdesk.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod archive;
pub mod backend;
pub mod blender;
pub mod net;
pub mod protocol;
pub mod reach;
pub mod relay;
