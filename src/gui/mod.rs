//! The window: pixels and what is being typed, nothing else.
//!
//! [`App::logic`](App) drains what the backend has to say, [`App::ui`](App) paints the newest
//! [`View`](crate::backend::View). A panel is a function of the view that pushes
//! [`Action`](crate::backend::Action)s, so it is tested without a runtime, a socket or a window.
//! Nothing here blocks, and nothing repaints unless something on screen changes.

mod app;
mod attempts;
mod banner;
mod centre;
mod color;
mod connection;
mod copier;
mod dialogs;
mod display;
mod format;
mod gates;
mod header;
mod host;
mod icons;
mod internet;
mod nearby;
mod people;
mod placement;
mod progress;
mod recent;
mod room_bar;
mod rooms;
mod share;
mod start;
mod switch;
mod theme;
mod toasts;
mod veil;
mod widgets;
mod window;

pub use app::App;
pub use display::{Display, Lack, display};
pub use window::{Start, run};
