//! How a move from one status to another is written down.

use std::sync::Arc;

use super::{Change, Claim, Status};
use crate::domain::{RequestId, SessionRef};

/// A move that is being described.
pub(super) struct Move(Change);

/// A move of `claim` to `to`; the methods fill in the rest.
pub(super) fn moved(claim: &Claim, to: Status) -> Move {
    Move(Change::Moved {
        claim_id: claim.claim_id,
        agent_id: claim.agent_id.clone(),
        repo: claim.repo.clone(),
        issue_number: claim.issue_number,
        from: claim.status,
        to,
        note: None,
        pr_url: None,
        pr_closed: false,
        uncounted: false,
        handoff_note: None,
        session: None,
        request_id: None,
    })
}

macro_rules! setters {
    ($($name:ident: $field:ident: $kind:ty = $value:expr;)*) => {$(
        pub fn $name(mut self, given: $kind) -> Self {
            if let Change::Moved { $field, .. } = &mut self.0 {
                *$field = $value(given);
            }
            self
        }
    )*};
}

impl Move {
    setters! {
        note: note: &str = |given: &str| Some(Arc::from(given));
        with_note: note: Option<Arc<str>> = std::convert::identity;
        pr_url: pr_url: Option<Arc<str>> = std::convert::identity;
        handoff_note: handoff_note: Option<Arc<str>> = std::convert::identity;
        session: session: Option<SessionRef> = std::convert::identity;
        request: request_id: Option<RequestId> = std::convert::identity;
    }

    pub fn uncounted(mut self) -> Self {
        if let Change::Moved { uncounted, .. } = &mut self.0 {
            *uncounted = true;
        }
        self
    }

    pub fn pr_closed(mut self) -> Self {
        if let Change::Moved { pr_closed, .. } = &mut self.0 {
            *pr_closed = true;
        }
        self
    }

    pub fn done(self) -> Change {
        self.0
    }
}
