//! x
pub mod claim;
pub mod coordinator;
pub mod domain;
pub mod gh;
pub mod process;
pub mod store;
