//! What protocol.md says a room's history is.

use super::client::Got;

/// What is passed on and never kept.
const EPHEMERAL: [u16; 3] = [139, 205, 1000];

pub(crate) fn is_kept(frame: &Got) -> bool {
    frame.kind > 100 && !EPHEMERAL.contains(&frame.kind)
}

fn path(frame: &Got) -> Option<&[u8]> {
    let length = u32::from_le_bytes(frame.payload.get(..4)?.try_into().unwrap()) as usize;
    frame.payload.get(4..4 + length)
}

/// The merge rule: whether `new` takes the place of `last`, if that is the last of the history.
pub(crate) fn replaces(new: &Got, last: &Got) -> bool {
    (201..=998).contains(&new.kind)
        && last.kind == new.kind
        && path(last).is_some()
        && path(last) == path(new)
}

/// The history after all of `sent`.
pub(crate) fn history<'a>(sent: impl IntoIterator<Item = &'a Got>) -> Vec<&'a Got> {
    let mut history: Vec<&Got> = Vec::new();
    for frame in sent.into_iter().filter(|frame| is_kept(frame)) {
        if history.last().is_some_and(|last| replaces(frame, last)) {
            history.pop();
        }
        history.push(frame);
    }
    history
}
