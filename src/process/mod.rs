//! Floor 2: children. One way to run a program: argument vector, pinned environment, piped or null
//! standard input, capped output, a time limit, its own process group, and a permit from a bounded
//! pool that is given back only when the child is gone.
//!
//! Invariants: no shell, no `pre_exec` (it would force a fork of the whole address space), and
//! standard input and output are never inherited: in an MCP server they carry the protocol.

mod pool;
mod run;

pub use pool::{Permit, Pool, PoolFull, PoolLoad, Priority};
pub use run::{ChildCommand, Finished, ProcessError, run};
