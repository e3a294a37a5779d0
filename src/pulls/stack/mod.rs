//! Stacked pull requests: which ones build on each other, what each needs after the one below it
//! was merged or rewritten, and the git commands that do it. Nothing is run here.
//!
//! - [`discover`]: from one pull request to its whole stack, by questions about branches;
//! - [`judge`]: what each layer needs; `onto_target` does that for a layer that shall stand elsewhere;
//! - [`old_base`]: the last commit of a branch that belongs to the layer below and must not be
//!   replayed;
//! - [`commands`] and [`report`]: the plan and the answer, in which `reasons` are the sentences and
//!   `hazards` what goes wrong when it is not known; `obstacle`: what no command may touch;
//!   `fix_loop`: what follows the commands;
//! - `query`: what is asked, and what is refused;
//! - `fetch` and `nodes`: GitHub's answers to the questions, and their form.
//!
//! All but `fetch` is pure. Discovery and judgement say what they still need to know; whoever
//! drives them (GitHub here, a real git repository in `tests/it/stack_topologies.rs`) fills it in.
//!
//! A stack that GitHub keeps has the order that it tells (`GET stacks/N`); what builds on its layers
//! without being part of it is found as in any other.
//!
//! Invariants: a command replays only commits that no known version of the layer below contains
//! (unless `--onto` is forbidden, which the answer names as a hazard); where that cannot be told
//! there is no command; no branch name reaches a shell unquoted.

pub mod commands;
pub mod discover;
pub mod facts;
mod fetch;
mod fix_loop;
mod hazards;
pub mod judge;
#[cfg(test)]
pub(super) mod largest;
mod nodes;
mod obstacle;
pub mod old_base;
mod onto_target;
mod query;
mod reasons;
pub mod report;

pub use fetch::manage_stacked_prs;
pub use fix_loop::FixLoop;
pub use judge::Wish;
pub use query::StackQuery;

/// Name of the tool.
pub const TOOL: &str = "manage_stacked_prs";
