//! Where the window is, told once it has settled there.

use std::time::Duration;

use egui::Context;

use crate::backend::WindowPlace;

/// How long the window must rest before its place is told, in seconds.
const REST: f64 = 0.7;
/// Smaller moves are rounding, in points.
const TOLERANCE: f32 = 1.0;

/// Where the window was, and where it is going.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    /// The place the backend knows, or that it need not know, as the window came up there.
    told: Option<WindowPlace>,
    /// Another place, and since when: time of the window in seconds.
    moving: Option<(WindowPlace, f64)>,
}

impl Placement {
    /// The window's place, when it is a new one and the window has rested there.
    pub(crate) fn settled(&mut self, context: &Context) -> Option<WindowPlace> {
        let (place, now) = (current(context)?, context.input(|input| input.time));
        let Some(told) = self.told else {
            self.told = Some(place);
            return None;
        };
        if is_near(told, place) {
            self.moving = None;
            return None;
        }
        match self.moving {
            Some((target, since)) if is_near(target, place) => {
                if now - since >= REST {
                    return self.rest();
                }
                context.request_repaint_after(Duration::from_secs_f64(
                    (REST - (now - since)).max(0.0),
                ));
            }
            _ => {
                self.moving = Some((place, now));
                context.request_repaint_after(Duration::from_secs_f64(REST));
            }
        }
        None
    }

    /// The place the window was moved to but has not rested at yet, as it closes now.
    pub(crate) fn rest(&mut self) -> Option<WindowPlace> {
        let (place, _) = self.moving.take()?;
        self.told = Some(place);
        Some(place)
    }
}

/// Where the window is, unless it fills the screen or is put away: that is not to come back.
fn current(context: &Context) -> Option<WindowPlace> {
    let zoom = context.zoom_factor();
    let size = context.viewport_rect().size() * zoom;
    context.input(|input| {
        let viewport = input.viewport();
        let special = [viewport.maximized, viewport.fullscreen, viewport.minimized];
        if special.contains(&Some(true)) {
            return None;
        }
        let corner = viewport.outer_rect.map(|rect| rect.min * zoom);
        Some(WindowPlace {
            width: size.x,
            height: size.y,
            x: corner.map(|corner| corner.x),
            y: corner.map(|corner| corner.y),
        })
    })
}

fn is_near(one: WindowPlace, other: WindowPlace) -> bool {
    let near = |one: f32, other: f32| (one - other).abs() < TOLERANCE;
    let near_corner = |one: Option<f32>, other: Option<f32>| match (one, other) {
        (Some(one), Some(other)) => near(one, other),
        (None, None) => true,
        _ => false,
    };
    near(one.width, other.width)
        && near(one.height, other.height)
        && near_corner(one.x, other.x)
        && near_corner(one.y, other.y)
}
