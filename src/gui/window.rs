//! Opening the window.

use std::sync::Arc;

use eframe::NativeOptions;
use egui::{ViewportBuilder, ViewportCommand, pos2, vec2};

use super::app::App;
use super::theme;
use crate::backend::{Handle, Settings, Wake, WindowPlace};

/// Starts what the window belongs to, once the window exists, and gives the window's end of it.
pub type Start = Box<dyn FnOnce(Wake) -> std::io::Result<Handle>>;

/// Size of the inside at the first start, in points.
const DEFAULT_SIZE: egui::Vec2 = vec2(1040.0, 680.0);
/// Below this the panels no longer fit, in points.
const MIN_SIZE: egui::Vec2 = vec2(720.0, 520.0);
/// Where the window goes when the screen it was on is gone, in points.
const FALLBACK_PLACE: egui::Pos2 = pos2(60.0, 60.0);
/// How much of the window's top must be on a screen for it to be found and dragged, in pixels.
const REACHABLE_PIXELS: i64 = 80;

/// Opens the window and shows it until it is closed.
///
/// `start` is called once the window exists; it gets the closure that wakes the window, and gives
/// the window's end of the backend.
///
/// # Errors
///
/// When the system gives no window or no OpenGL.
pub fn run(settings: &Settings, start: Start) -> eframe::Result {
    let place = settings.window;
    let options = NativeOptions {
        viewport: viewport(place),
        renderer: eframe::Renderer::Glow,
        ..NativeOptions::default()
    };
    eframe::run_native(
        "Mixdesk",
        options,
        Box::new(move |creation| {
            theme::install(&creation.egui_ctx);
            if place.is_some_and(|place| place.x.is_some()) && is_off_screen(creation) {
                creation
                    .egui_ctx
                    .send_viewport_cmd(ViewportCommand::OuterPosition(FALLBACK_PLACE));
            }
            let context = creation.egui_ctx.clone();
            let wake: Wake = Arc::new(move || context.request_repaint());
            Ok(Box::new(App::new(start(wake)?)))
        }),
    )
}

fn viewport(place: Option<WindowPlace>) -> ViewportBuilder {
    let mut viewport = ViewportBuilder::default()
        .with_title("Mixdesk")
        .with_app_id("mixdesk")
        .with_inner_size(DEFAULT_SIZE)
        .with_min_inner_size(MIN_SIZE);
    if let Some(place) = place {
        viewport = viewport.with_inner_size(vec2(place.width, place.height).max(MIN_SIZE));
        if let (Some(x), Some(y)) = (place.x, place.y) {
            viewport = viewport.with_position(pos2(x, y));
        }
    }
    // A window without its icon is better than none.
    if let Ok(icon) = eframe::icon_data::from_png_bytes(include_bytes!("../../assets/icon.png")) {
        viewport = viewport.with_icon(icon);
    }
    viewport
}

/// Whether the window came up where no screen is any more, as after unplugging the second one.
fn is_off_screen(creation: &eframe::CreationContext<'_>) -> bool {
    let Some(window) = creation.winit_window() else {
        return false;
    };
    let Ok(position) = window.outer_position() else {
        return false;
    };
    let (left, top) = (i64::from(position.x), i64::from(position.y));
    let right = left + i64::from(window.outer_size().width);
    let mut monitors = window.available_monitors().peekable();
    // Some systems tell of no screens at all: then nothing can be said.
    monitors.peek().is_some()
        && !monitors.any(|monitor| {
            let (x, y) = (
                i64::from(monitor.position().x),
                i64::from(monitor.position().y),
            );
            let (width, height) = (
                i64::from(monitor.size().width),
                i64::from(monitor.size().height),
            );
            left + REACHABLE_PIXELS <= x + width
                && right - REACHABLE_PIXELS >= x
                && top >= y - REACHABLE_PIXELS
                && top + REACHABLE_PIXELS <= y + height
        })
}
