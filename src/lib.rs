//! x
pub mod app;
pub mod claim;
pub mod cli;
pub mod coordinator;
pub mod domain;
pub mod gh;
pub mod http;
pub mod mcp;
pub mod process;
pub mod service;
pub mod store;
