//! Colours and sizes, each with a name, for light and dark.

use egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Margin, Stroke, Style, TextStyle, Theme,
    Ui, vec2,
};

/// Height of the header, in points.
pub(crate) const HEADER_HEIGHT: f32 = 48.0;
/// Width of the left column, in points.
pub(crate) const SIDE_WIDTH: f32 = 312.0;
/// Width of the left column in a narrow window, in points.
pub(crate) const SIDE_WIDTH_NARROW: f32 = 276.0;
/// A window narrower than this is narrow, in points.
pub(crate) const NARROW_WINDOW: f32 = 900.0;
/// Space between cards, and from them to the edge, in points.
pub(crate) const GAP: i8 = 16;
/// Space inside a card, in points.
pub(crate) const CARD_MARGIN: i8 = 14;
/// Corners of buttons and fields, in points.
pub(crate) const RADIUS: u8 = 6;
/// Corners of cards and dialogs, in points.
pub(crate) const RADIUS_LARGE: u8 = 10;
/// Height of a button or field, in points.
pub(crate) const CONTROL_HEIGHT: f32 = 32.0;
/// Captions, in points.
pub(crate) const TEXT_SMALL: f32 = 12.5;
/// What is read, in points.
pub(crate) const TEXT_BODY: f32 = 14.5;
/// Titles, in points.
pub(crate) const TEXT_TITLE: f32 = 17.0;
/// The first picture's title, in points.
pub(crate) const TEXT_HERO: f32 = 22.0;
/// The address to give to colleagues, in points.
pub(crate) const TEXT_ADDRESS: f32 = 26.0;

/// The colours of one theme.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// Behind everything.
    pub(crate) background: Color32,
    /// Cards, header, bars.
    pub(crate) panel: Color32,
    /// Buttons and fields.
    pub(crate) raised: Color32,
    /// Buttons under the pointer.
    pub(crate) hovered: Color32,
    /// Edges.
    pub(crate) line: Color32,
    /// What is read.
    pub(crate) text: Color32,
    /// What is read second.
    pub(crate) dim: Color32,
    /// The main button, focus, links.
    pub(crate) accent: Color32,
    /// The main button under the pointer.
    pub(crate) accent_hovered: Color32,
    /// Text on the main button.
    pub(crate) on_accent: Color32,
    /// Going well.
    pub(crate) ok: Color32,
    /// To look at.
    pub(crate) warning: Color32,
    /// Went wrong, or would lose something.
    pub(crate) bad: Color32,
    /// Behind the selected row.
    pub(crate) selected: Color32,
    /// Behind a failure.
    pub(crate) bad_fill: Color32,
    /// Behind a warning.
    pub(crate) warning_fill: Color32,
}

const DARK: Tokens = Tokens {
    background: Color32::from_rgb(0x16, 0x18, 0x1d),
    panel: Color32::from_rgb(0x1d, 0x20, 0x27),
    raised: Color32::from_rgb(0x26, 0x2a, 0x33),
    hovered: Color32::from_rgb(0x30, 0x35, 0x40),
    line: Color32::from_rgb(0x32, 0x37, 0x43),
    text: Color32::from_rgb(0xe8, 0xea, 0xf0),
    dim: Color32::from_rgb(0x9a, 0xa2, 0xb1),
    accent: Color32::from_rgb(0x4f, 0x9c, 0xf9),
    accent_hovered: Color32::from_rgb(0x72, 0xb1, 0xfb),
    on_accent: Color32::from_rgb(0x0b, 0x13, 0x20),
    ok: Color32::from_rgb(0x3f, 0xc5, 0x8a),
    warning: Color32::from_rgb(0xf0, 0xb0, 0x4c),
    bad: Color32::from_rgb(0xf6, 0x7e, 0x84),
    selected: Color32::from_rgb(0x22, 0x32, 0x4a),
    bad_fill: Color32::from_rgb(0x33, 0x1f, 0x25),
    warning_fill: Color32::from_rgb(0x33, 0x2b, 0x1d),
};

const LIGHT: Tokens = Tokens {
    background: Color32::from_rgb(0xf3, 0xf4, 0xf7),
    panel: Color32::from_rgb(0xff, 0xff, 0xff),
    raised: Color32::from_rgb(0xf0, 0xf2, 0xf6),
    hovered: Color32::from_rgb(0xe6, 0xe9, 0xf0),
    line: Color32::from_rgb(0xd9, 0xdd, 0xe5),
    text: Color32::from_rgb(0x1b, 0x1f, 0x27),
    dim: Color32::from_rgb(0x54, 0x5c, 0x6b),
    accent: Color32::from_rgb(0x1f, 0x6f, 0xd6),
    accent_hovered: Color32::from_rgb(0x1a, 0x60, 0xbb),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    ok: Color32::from_rgb(0x15, 0x70, 0x46),
    warning: Color32::from_rgb(0x82, 0x55, 0x00),
    bad: Color32::from_rgb(0xb3, 0x26, 0x2e),
    selected: Color32::from_rgb(0xe2, 0xed, 0xfb),
    bad_fill: Color32::from_rgb(0xfd, 0xec, 0xed),
    warning_fill: Color32::from_rgb(0xfd, 0xf3, 0xdf),
};

/// The colours of the theme in use.
pub(crate) fn tokens(ui: &Ui) -> &'static Tokens {
    if ui.visuals().dark_mode {
        &DARK
    } else {
        &LIGHT
    }
}

/// Gives the context our colours and sizes, for both themes.
pub(crate) fn install(context: &Context) {
    context.style_mut_of(Theme::Dark, |style| dress(style, &DARK));
    context.style_mut_of(Theme::Light, |style| dress(style, &LIGHT));
}

fn dress(style: &mut Style, tokens: &Tokens) {
    style.text_styles = [
        (
            TextStyle::Small,
            FontId::new(TEXT_SMALL, FontFamily::Proportional),
        ),
        (
            TextStyle::Body,
            FontId::new(TEXT_BODY, FontFamily::Proportional),
        ),
        (
            TextStyle::Button,
            FontId::new(TEXT_BODY, FontFamily::Proportional),
        ),
        (
            TextStyle::Heading,
            FontId::new(TEXT_TITLE, FontFamily::Proportional),
        ),
        (
            TextStyle::Monospace,
            FontId::new(TEXT_SMALL, FontFamily::Monospace),
        ),
    ]
    .into();

    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(8.0, 8.0);
    spacing.button_padding = vec2(12.0, 6.0);
    spacing.interact_size = vec2(CONTROL_HEIGHT, CONTROL_HEIGHT);
    spacing.icon_width = 18.0;
    spacing.icon_width_inner = 11.0;
    spacing.icon_spacing = 8.0;
    spacing.menu_margin = Margin::same(6);
    spacing.window_margin = Margin::same(20);
    spacing.tooltip_width = 320.0;

    style.interaction.selectable_labels = false;

    let edge = Stroke::new(1.0, tokens.line);
    let visuals = &mut style.visuals;
    visuals.panel_fill = tokens.background;
    visuals.window_fill = tokens.panel;
    visuals.window_stroke = edge;
    visuals.window_corner_radius = CornerRadius::same(RADIUS_LARGE);
    visuals.menu_corner_radius = CornerRadius::same(RADIUS_LARGE);
    visuals.weak_text_color = Some(tokens.dim);
    visuals.hyperlink_color = tokens.accent;
    visuals.faint_bg_color = tokens.panel;
    visuals.extreme_bg_color = tokens.raised;
    visuals.text_edit_bg_color = Some(tokens.raised);
    visuals.warn_fg_color = tokens.warning;
    visuals.error_fg_color = tokens.bad;
    // What is connected to stays readable while its fields are locked.
    visuals.disabled_alpha = 0.6;
    visuals.selection.bg_fill = tokens.selected;
    visuals.selection.stroke = Stroke::new(2.0, tokens.accent);

    let radius = CornerRadius::same(RADIUS);
    let widgets = &mut visuals.widgets;
    for (widget, fill, stroke) in [
        (&mut widgets.noninteractive, tokens.panel, edge),
        (&mut widgets.inactive, tokens.raised, edge),
        (
            &mut widgets.hovered,
            tokens.hovered,
            Stroke::new(1.0, tokens.dim),
        ),
        // egui paints what has the keyboard as active: this edge is the focus ring.
        (
            &mut widgets.active,
            tokens.hovered,
            Stroke::new(2.0, tokens.accent),
        ),
        (
            &mut widgets.open,
            tokens.hovered,
            Stroke::new(1.0, tokens.dim),
        ),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = stroke;
        widget.fg_stroke = Stroke::new(1.5, tokens.text);
        widget.corner_radius = radius;
        widget.expansion = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use egui::{Color32, Rgba};

    use super::{DARK, LIGHT, Tokens};

    /// WCAG 2.2, success criterion 1.4.3.
    const READABLE: f32 = 4.5;

    fn luminance(color: Color32) -> f32 {
        let linear = Rgba::from(color);
        0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
    }

    fn contrast(one: Color32, other: Color32) -> f32 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_pair_of_text_and_ground_is_readable() {
        for (theme, tokens) in [("dark", &DARK), ("light", &LIGHT)] {
            for (name, text, ground) in pairs(tokens) {
                let contrast = contrast(text, ground);
                assert!(
                    contrast >= READABLE,
                    "{theme}: {name} has a contrast of only {contrast:.2}"
                );
            }
        }
    }

    fn pairs(tokens: &Tokens) -> Vec<(String, Color32, Color32)> {
        let grounds = [
            ("background", tokens.background),
            ("panel", tokens.panel),
            ("raised", tokens.raised),
            ("hovered", tokens.hovered),
            ("selected", tokens.selected),
        ];
        let texts = [
            ("text", tokens.text),
            ("dim", tokens.dim),
            ("ok", tokens.ok),
            ("warning", tokens.warning),
            ("bad", tokens.bad),
        ];
        let mut pairs = Vec::new();
        for (text_name, text) in texts {
            for (ground_name, ground) in grounds {
                pairs.push((format!("{text_name} on {ground_name}"), text, ground));
            }
        }
        for (name, text, ground) in [
            ("text on the main button", tokens.on_accent, tokens.accent),
            (
                "text on the hovered main button",
                tokens.on_accent,
                tokens.accent_hovered,
            ),
            ("a link on a card", tokens.accent, tokens.panel),
            ("text on a failure", tokens.text, tokens.bad_fill),
            ("bad on a failure", tokens.bad, tokens.bad_fill),
            ("text on a warning", tokens.text, tokens.warning_fill),
            ("warning on a warning", tokens.warning, tokens.warning_fill),
        ] {
            pairs.push((name.to_owned(), text, ground));
        }
        pairs
    }
}
