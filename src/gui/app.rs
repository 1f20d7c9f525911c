//! The window's state, and the order in which it drains and paints.

use std::sync::Arc;

use egui::{
    CentralPanel, Context, Frame, Key, Margin, Panel, ScrollArea, Stroke, ThemePreference, Ui,
    ViewportCommand,
};

use super::centre;
use super::connection::Connection;
use super::copier::Copier;
use super::dialogs::{Dialog, Dialogs, ends_something};
use super::header;
use super::nearby;
use super::placement::Placement;
use super::recent::Recent;
use super::rooms::Rooms;
use super::share::SharePanel;
use super::start::Start;
use super::theme::{
    self, GAP, HEADER_HEIGHT, NARROW_WINDOW, SIDE_WIDTH, SIDE_WIDTH_NARROW, tokens,
};
use super::toasts::Toasts;
use super::veil::Veil;
use crate::backend::{Action, Handle, Level, Notice, Theme, View};

/// The window: what is being typed and chosen, and the newest view.
#[derive(Debug)]
pub struct App {
    handle: Handle,
    view: Arc<View>,
    connection: Connection,
    share: SharePanel,
    start: Start,
    rooms: Rooms,
    recent: Recent,
    dialogs: Dialogs,
    toasts: Toasts,
    /// Whether addresses are hidden.
    veil: Veil,
    copier: Copier,
    placement: Placement,
    /// What panels asked for and was not sent yet.
    actions: Vec<Action>,
    /// The theme the context was told, none before the first frame.
    theme: Option<Theme>,
    /// The window is on its way out: nothing more is asked.
    /// How often the window was asked for that has been answered.
    attention: u32,
    closing: bool,
}

impl App {
    /// A window onto the backend at the other end of `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        let view = handle.view();
        Self {
            connection: Connection::new(&view.settings),
            handle,
            view,
            share: SharePanel::default(),
            start: Start::default(),
            rooms: Rooms::default(),
            recent: Recent::default(),
            dialogs: Dialogs::default(),
            toasts: Toasts::default(),
            veil: Veil::default(),
            copier: Copier::default(),
            placement: Placement::default(),
            actions: Vec::new(),
            theme: None,
            attention: 0,
            closing: false,
        }
    }

    /// Dresses the context, once and whenever the theme is changed.
    fn dress(&mut self, context: &Context) {
        let theme = self.view.settings.theme;
        if self.theme == Some(theme) {
            return;
        }
        if self.theme.is_none() {
            theme::install(context);
        }
        context.set_theme(match theme {
            Theme::System => ThemePreference::System,
            Theme::Light => ThemePreference::Light,
            Theme::Dark => ThemePreference::Dark,
        });
        // What this frame began with is the old look.
        context.request_discard("theme changed");
        self.theme = Some(theme);
    }

    /// Comes to the front when somebody asks for the window from outside.
    fn answer_calls(&mut self, context: &Context) {
        if self.attention != self.view.attention {
            self.attention = self.view.attention;
            context.send_viewport_cmd(ViewportCommand::Minimized(false));
            context.send_viewport_cmd(ViewportCommand::Focus);
        }
    }

    fn answer_close_requests(&mut self, context: &Context) {
        if self.view.quitting && !self.closing {
            self.closing = true;
            context.send_viewport_cmd(ViewportCommand::Close);
        }
        if self.closing || !context.input(|input| input.viewport().close_requested()) {
            return;
        }
        if ends_something(&self.view) {
            context.send_viewport_cmd(ViewportCommand::CancelClose);
            self.dialogs.open(Dialog::Quit);
        } else {
            self.quit();
        }
    }

    /// Tells the backend that the window goes.
    fn quit(&mut self) {
        self.closing = true;
        self.actions
            .extend(self.placement.rest().map(Action::PlaceWindow));
        self.actions.push(Action::Quit);
    }

    fn send_actions(&mut self, context: &Context) {
        for action in self.actions.drain(..) {
            if !self.handle.send(action) && !self.closing {
                let text = "That could not be done just now. Try again in a moment.".to_owned();
                let now = context.input(|input| input.time);
                self.toasts.push(
                    Notice {
                        level: Level::Error,
                        text,
                    },
                    now,
                );
            }
        }
    }

    fn side(&mut self, ui: &mut Ui) {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            Frame::new().inner_margin(Margin::same(GAP)).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = f32::from(GAP);
                ui.scope(|ui| {
                    ui.spacing_mut().item_spacing.y = 8.0;
                    self.connection.ui(
                        ui,
                        &self.view,
                        self.veil,
                        &mut self.actions,
                        &mut self.dialogs,
                    );
                });
                if let Some(share) = &self.view.share {
                    ui.scope(|ui| {
                        ui.spacing_mut().item_spacing.y = 8.0;
                        self.share.ui(
                            ui,
                            &self.view,
                            share,
                            (&mut self.veil, &mut self.copier),
                            &mut self.actions,
                            &mut self.dialogs,
                        );
                    });
                }
                ui.scope(|ui| {
                    ui.spacing_mut().item_spacing.y = 8.0;
                    nearby::ui(
                        ui,
                        &self.view,
                        &mut self.veil,
                        &mut self.actions,
                        &mut self.dialogs,
                    );
                });
            });
        });
    }
}

impl eframe::App for App {
    fn logic(&mut self, context: &Context, _frame: &mut eframe::Frame) {
        self.view = self.handle.view();
        let now = context.input(|input| input.time);
        while let Some(notice) = self.handle.notice() {
            self.toasts.push(notice, now);
        }
        self.dress(context);
        self.actions
            .extend(self.placement.settled(context).map(Action::PlaceWindow));
        self.answer_calls(context);
        self.answer_close_requests(context);
        if context.input_mut(|input| input.consume_key(egui::Modifiers::NONE, Key::F1)) {
            self.dialogs.open(Dialog::Help);
        }
        self.send_actions(context);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let context = ui.ctx().clone();
        self.copier.tend(ui);
        let tokens = tokens(ui);
        let bar = Frame::new()
            .fill(tokens.panel)
            .inner_margin(Margin::symmetric(GAP, 0));
        let header = Panel::top("header")
            .exact_size(HEADER_HEIGHT)
            .resizable(false)
            .show_separator_line(false)
            .frame(bar)
            .show(ui, |ui| {
                header::ui(
                    ui,
                    &self.view,
                    self.veil,
                    &mut self.actions,
                    &mut self.dialogs,
                );
            });
        let edge = Stroke::new(1.0, tokens.line);
        let rect = header.response.rect;
        ui.painter()
            .hline(rect.x_range(), rect.bottom() - 0.5, edge);

        let narrow = ui.available_width() < NARROW_WINDOW;
        let side = Panel::left("side")
            .exact_size(if narrow {
                SIDE_WIDTH_NARROW
            } else {
                SIDE_WIDTH
            })
            .resizable(false)
            .show_separator_line(false)
            .frame(Frame::new().fill(tokens.background))
            .show(ui, |ui| self.side(ui));
        let rect = side.response.rect;
        ui.painter().vline(rect.right() - 0.5, rect.y_range(), edge);

        let keep_clear = CentralPanel::default()
            .frame(Frame::new().fill(tokens.background))
            .show(ui, |ui| {
                let panels = (&mut self.start, &mut self.rooms, &mut self.recent);
                let port = self.connection.port();
                panels.1.hides_addresses = self.veil.down;
                centre::ui(
                    ui,
                    &self.view,
                    panels,
                    (self.veil, &mut self.copier),
                    port,
                    &mut self.actions,
                    &mut self.dialogs,
                )
            })
            .inner;

        let reading = (self.veil, &mut self.copier);
        if self
            .dialogs
            .ui(&context, &self.view, reading, &mut self.actions)
        {
            self.quit();
            context.send_viewport_cmd(ViewportCommand::Close);
        }
        self.toasts.ui(&context, keep_clear, self.veil);
        self.send_actions(&context);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }
}
