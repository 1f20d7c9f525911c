//! Small pictures, painted, since the fonts at hand differ in what they have.

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, Vec2, pos2, vec2};

/// A small picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Icon {
    /// Lines of text: the log.
    Lines,
    /// A disc, half filled: as the system says.
    HalfDisc,
    /// A sun: light.
    Sun,
    /// A crescent: dark.
    Moon,
    /// A question mark.
    Question,
    /// An open eye: shown.
    Eye,
    /// A struck-out eye: hidden.
    EyeOff,
    /// Opens downwards.
    ChevronDown,
    /// Is closed, and opens.
    ChevronRight,
    /// Sorted smallest first.
    TriangleUp,
    /// Sorted largest first.
    TriangleDown,
    /// Take away.
    Cross,
    /// Went well, and in.
    Check,
    /// To look at.
    Warning,
    /// A full disc: on.
    Disc,
    /// A ring: off, or empty.
    Ring,
    /// Three dots: under way.
    Dots,
    /// An i: for information.
    Info,
    /// A toothed wheel: settings.
    Gear,
    /// A line with a beat: a check.
    Pulse,
}

/// Side of the square the pictures are drawn in.
const GRID: f32 = 16.0;

impl Icon {
    /// Paints the picture into the middle of `rect`, `size` points wide.
    pub(crate) fn paint(self, painter: &Painter, rect: Rect, size: f32, color: Color32) {
        let pen = Pen {
            painter,
            origin: rect.center(),
            scale: size / GRID,
            color,
        };
        match self {
            Self::Lines => {
                for y in [3.5, 8.0, 12.5] {
                    pen.line(&[(2.0, y), (14.0, y)]);
                }
            }
            Self::HalfDisc => {
                pen.ring(8.0, 8.0, 5.8);
                pen.half_disc(8.0, 8.0, 5.8);
            }
            Self::Sun => {
                pen.disc(8.0, 8.0, 3.2);
                for step in 0..8_u8 {
                    let direction = Vec2::angled(f32::from(step) * std::f32::consts::FRAC_PI_4);
                    let (from, to) = (direction * 5.2, direction * 7.2);
                    pen.line(&[(8.0 + from.x, 8.0 + from.y), (8.0 + to.x, 8.0 + to.y)]);
                }
            }
            Self::Moon => pen.moon(),
            Self::Question => {
                pen.line(&[
                    (5.2, 5.4),
                    (5.5, 3.8),
                    (6.6, 2.8),
                    (8.0, 2.5),
                    (9.5, 2.8),
                    (10.6, 3.9),
                    (10.8, 5.2),
                    (10.2, 6.6),
                    (8.8, 7.7),
                    (8.0, 8.8),
                    (8.0, 10.0),
                ]);
                pen.disc(8.0, 13.0, 1.1);
            }
            Self::Eye | Self::EyeOff => {
                pen.closed_line(&[
                    (1.2, 8.0),
                    (3.4, 5.4),
                    (5.6, 4.0),
                    (8.0, 3.5),
                    (10.4, 4.0),
                    (12.6, 5.4),
                    (14.8, 8.0),
                    (12.6, 10.6),
                    (10.4, 12.0),
                    (8.0, 12.5),
                    (5.6, 12.0),
                    (3.4, 10.6),
                ]);
                pen.disc(8.0, 8.0, 2.3);
                if self == Self::EyeOff {
                    pen.line(&[(2.5, 14.0), (13.5, 2.0)]);
                }
            }
            Self::ChevronDown => pen.line(&[(4.0, 6.2), (8.0, 10.2), (12.0, 6.2)]),
            Self::ChevronRight => pen.line(&[(6.2, 4.0), (10.2, 8.0), (6.2, 12.0)]),
            Self::TriangleUp => pen.filled(&[(3.5, 11.0), (8.0, 4.5), (12.5, 11.0)]),
            Self::TriangleDown => pen.filled(&[(3.5, 5.0), (12.5, 5.0), (8.0, 11.5)]),
            Self::Cross => {
                pen.line(&[(4.0, 4.0), (12.0, 12.0)]);
                pen.line(&[(12.0, 4.0), (4.0, 12.0)]);
            }
            Self::Check => pen.line(&[(2.8, 8.4), (6.4, 12.0), (13.2, 4.6)]),
            Self::Warning => {
                pen.closed_line(&[(8.0, 2.0), (15.0, 14.0), (1.0, 14.0)]);
                pen.line(&[(8.0, 6.4), (8.0, 9.8)]);
                pen.disc(8.0, 11.9, 0.9);
            }
            Self::Disc => pen.disc(8.0, 8.0, 7.0),
            Self::Ring => pen.ring(8.0, 8.0, 6.2),
            Self::Gear => {
                pen.ring(8.0, 8.0, 4.4);
                pen.disc(8.0, 8.0, 1.6);
                for step in 0..8_u8 {
                    let direction = Vec2::angled(f32::from(step) * std::f32::consts::FRAC_PI_4);
                    let (from, to) = (direction * 4.6, direction * 6.8);
                    pen.line(&[(8.0 + from.x, 8.0 + from.y), (8.0 + to.x, 8.0 + to.y)]);
                }
            }
            Self::Pulse => pen.line(&[
                (1.0, 8.6),
                (4.4, 8.6),
                (6.4, 3.4),
                (9.4, 13.0),
                (11.4, 8.6),
                (15.0, 8.6),
            ]),
            Self::Dots => {
                for x in [2.6, 8.0, 13.4] {
                    pen.disc(x, 8.0, 2.2);
                }
            }
            Self::Info => {
                pen.ring(8.0, 8.0, 6.6);
                pen.line(&[(8.0, 7.4), (8.0, 11.2)]);
                pen.disc(8.0, 4.9, 0.9);
            }
        }
    }
}

/// Paints the program's sign: three faders on a rounded square.
pub(crate) fn paint_logo(painter: &Painter, rect: Rect, ground: Color32, ink: Color32) {
    let scale = rect.width() / GRID;
    painter.rect_filled(rect, 4.4 * scale, ground);
    let pen = Pen {
        painter,
        origin: rect.center(),
        scale,
        color: ink,
    };
    for (x, knob) in [(4.4, 9.8), (8.0, 6.2), (11.6, 10.4)] {
        painter.line_segment(
            [pen.at(x, 4.0), pen.at(x, 12.0)],
            Stroke::new(1.2 * scale, ink),
        );
        painter.circle_filled(pen.at(x, knob), 1.7 * scale, ink);
    }
}

struct Pen<'a> {
    painter: &'a Painter,
    origin: Pos2,
    scale: f32,
    color: Color32,
}

impl Pen<'_> {
    fn at(&self, x: f32, y: f32) -> Pos2 {
        self.origin + vec2(x - GRID / 2.0, y - GRID / 2.0) * self.scale
    }

    fn stroke(&self) -> Stroke {
        Stroke::new((1.5 * self.scale).max(1.2), self.color)
    }

    fn points(&self, points: &[(f32, f32)]) -> Vec<Pos2> {
        points.iter().map(|&(x, y)| self.at(x, y)).collect()
    }

    fn line(&self, points: &[(f32, f32)]) {
        self.painter
            .add(Shape::line(self.points(points), self.stroke()));
    }

    fn closed_line(&self, points: &[(f32, f32)]) {
        self.painter
            .add(Shape::closed_line(self.points(points), self.stroke()));
    }

    fn filled(&self, points: &[(f32, f32)]) {
        self.painter.add(Shape::convex_polygon(
            self.points(points),
            self.color,
            Stroke::NONE,
        ));
    }

    fn disc(&self, x: f32, y: f32, radius: f32) {
        self.painter
            .circle_filled(self.at(x, y), radius * self.scale, self.color);
    }

    fn ring(&self, x: f32, y: f32, radius: f32) {
        self.painter
            .circle_stroke(self.at(x, y), radius * self.scale, self.stroke());
    }

    fn half_disc(&self, x: f32, y: f32, radius: f32) {
        let clip = Rect::from_min_max(self.at(0.0, 0.0), self.at(x, GRID));
        self.painter
            .with_clip_rect(clip.intersect(self.painter.clip_rect()))
            .circle_filled(self.at(x, y), radius * self.scale, self.color);
    }

    /// The outline of a crescent: most of a circle, and an arc around a point to its upper right back.
    fn moon(&self) {
        // The angles at which two circles of these radii meet, in degrees.
        let arc = |centre: Pos2, radius: f32, from: f32, to: f32| {
            (0..=24_u8).map(move |step| {
                let angle = (from + (to - from) * f32::from(step) / 24.0).to_radians();
                (
                    centre.x + radius * angle.cos(),
                    centre.y + radius * angle.sin(),
                )
            })
        };
        let outline: Vec<(f32, f32)> = arc(pos2(7.6, 8.4), 6.0, 10.0, 260.0)
            .chain(arc(pos2(10.69, 5.31), 5.0, 214.3, 55.7))
            .collect();
        self.closed_line(&outline);
    }
}
