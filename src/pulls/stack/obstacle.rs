//! What keeps commands from touching a layer.

use super::facts::Layer;

/// Why no command may touch a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// ghstack or spr rewrite its branches themselves.
    ToolManaged,
    /// It waits in a merge queue.
    Queued,
    /// Its branch name would be taken for an option.
    BranchName,
    /// Its head is in a fork that may not be pushed to.
    ForkIsClosed,
    /// It was closed and its branch has moved since: GitHub does not reopen it.
    CannotReopen,
}

/// What speaks against moving a layer by commands.
pub fn obstacle(layer: &Layer) -> Option<Obstacle> {
    let name = layer.head.as_str();
    let is_ghstack = name.starts_with("gh/")
        && ["/head", "/base", "/orig"]
            .iter()
            .any(|end| name.ends_with(end));
    let moved = layer
        .head_tip
        .as_deref()
        .is_some_and(|tip| tip != layer.head_sha);
    if is_ghstack || name.starts_with("spr/") {
        Some(Obstacle::ToolManaged)
    } else if layer.queued {
        Some(Obstacle::Queued)
    } else if name.starts_with('-') || layer.base.starts_with('-') {
        Some(Obstacle::BranchName)
    } else if layer.from_fork && (layer.head_repo.is_none() || !layer.maintainer_can_modify) {
        Some(Obstacle::ForkIsClosed)
    } else if layer.lost_its_base() && moved {
        Some(Obstacle::CannotReopen)
    } else {
        None
    }
}
