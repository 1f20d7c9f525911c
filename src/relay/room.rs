//! A room: what it says of itself, and whom it lets in.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::PeerId;
use super::guests::Origin;
use super::limits::ROOM_NAME_BYTES;
use super::log::{Fate, Figures, Log};
use super::pace::NewsPace;
use crate::protocol::{ANY_VERSION, Attributes, EMPTY_COMMANDS, JoinRequest, attribute};

/// Something that was not done, as a sentence for the person who asked.
pub(super) type Refusal = String;

#[derive(Debug)]
pub(super) struct Room {
    /// All but the figures.
    pub(super) attributes: Attributes,
    /// What they took when they were set last.
    pub(super) bytes: usize,
    pub(super) log: Arc<Log>,
    pub(super) members: BTreeSet<PeerId>,
    /// Who made it, and from where, unless it was brought back.
    pub(super) maker: Option<(PeerId, Origin)>,
    pub(super) joinable: bool,
    pub(super) keep_open: bool,
    /// Who is bringing a scene into a room that was made without one.
    pub(super) filler: Option<PeerId>,
    pub(super) told: bool,
    /// Who set its attributes last.
    pub(super) set_by: Option<PeerId>,
    /// How fast others are told of its attributes.
    pub(super) news: NewsPace,
}

impl Room {
    /// Whether the room was made by somebody without a scene, and nobody has brought one yet. A Blender
    /// that joined it as it is would be left with nothing to work in, as Mixer takes its own scene
    /// away; so the first that comes is asked for its scene instead.
    pub(super) fn is_vacant(&self) -> bool {
        self.attributes.text(attribute::BLENDER_VERSION).as_deref() == Some(ANY_VERSION)
            && self.log.figures().command_count <= EMPTY_COMMANDS
    }

    /// A room whose members are not there yet; they find it as they left it, and it waits for them.
    pub(super) fn brought_back(attributes: Attributes, log: Arc<Log>) -> Self {
        Self {
            bytes: attributes.size_bytes(),
            attributes,
            log,
            members: BTreeSet::new(),
            maker: None,
            joinable: true,
            keep_open: true,
            filler: None,
            told: false,
            set_by: None,
            news: NewsPace::default(),
        }
    }

    /// What becomes of its file when it ends.
    pub(super) fn fate(&self) -> Fate {
        let empty = self.is_vacant() || self.log.figures().command_count == 0;
        if self.joinable && !empty {
            Fate::Recent
        } else {
            Fate::Discard
        }
    }

    pub(super) fn whole(&self) -> Attributes {
        with_figures(self.attributes.clone(), self.log.figures())
    }

    pub(super) fn admits(&self, name: &str, request: &JoinRequest) -> Result<(), Refusal> {
        if !self.joinable {
            return Err(format!(
                "The room “{name}” is not ready yet: its maker is still sending the scene. Try again in a moment."
            ));
        }
        if self.attributes.flag(attribute::IGNORE_VERSION_CHECK) == Some(true) {
            return Ok(());
        }
        for (program, attribute, theirs) in [
            (
                "Blender",
                attribute::BLENDER_VERSION,
                &request.blender_version,
            ),
            ("Mixer", attribute::MIXER_VERSION, &request.mixer_version),
        ] {
            let ours = self.attributes.text(attribute).unwrap_or_default();
            if ours != *theirs {
                return Err(format!(
                    "The room “{name}” was made with {program} {}, and you have {program} {}. \
                     Use the same version, or make the room with the version check off.",
                    shown(&ours),
                    shown(theirs)
                ));
            }
        }
        Ok(())
    }
}

/// What a room says of what it was made with, while its content is not there yet.
pub(super) fn made_with(request: &JoinRequest) -> Attributes {
    Attributes::default()
        .with_text(attribute::BLENDER_VERSION, &request.blender_version)
        .with_text(attribute::MIXER_VERSION, &request.mixer_version)
        .with_flag(
            attribute::IGNORE_VERSION_CHECK,
            request.ignore_version_check,
        )
        .with_flag(attribute::GENERIC_PROTOCOL, request.generic_protocol)
        .with_flag(attribute::JOINABLE, false)
}

/// Says of a room that was made without a scene whether it still waits for one.
pub(super) fn awaits_scene(awaits: bool) -> Attributes {
    Attributes::default().with_flag(attribute::AWAITS_SCENE, awaits)
}

/// What a room says of itself that was made without a scene, and has none yet.
pub(super) fn vacant(name: &str) -> Attributes {
    let mut vacant = made_with(&JoinRequest::sceneless(name)).with_flag(attribute::JOINABLE, true);
    vacant.update(awaits_scene(true));
    vacant
}

pub(super) fn with_figures(attributes: Attributes, figures: Figures) -> Attributes {
    attributes
        .with_count(attribute::COMMAND_COUNT, figures.command_count)
        .with_count(attribute::BYTE_SIZE, figures.byte_size)
}

/// What of `new` makes a difference, and what the attributes take with it, where they take `held` now. Costs
/// what `new` does, however many there are.
///
/// # Errors
/// When there would be too much.
pub(super) fn changes(
    attributes: &Attributes,
    held: usize,
    new: Attributes,
    limit: usize,
) -> Result<(Attributes, usize), Refusal> {
    let changed = attributes.difference(new);
    let bytes = attributes.size_with(held, &changed);
    if bytes > limit && bytes > held {
        return Err(format!(
            "These attributes are too large: {limit} bytes are allowed."
        ));
    }
    Ok((changed, bytes))
}

/// What a peer said, as far as it fits into a sentence: it may be megabytes long.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(ROOM_NAME_BYTES).collect()
}
