//! Floor 6: HTTP. The owner's listener (REST, events, MCP, metrics) and the client by which other
//! processes reach it.
//!
//! Invariant: routes turn a request into the service's vocabulary and a reply into a response;
//! no rule of claims is here.

mod access;
mod body;
mod client;
mod events;
mod forward;
mod idle;
mod metrics;
mod openapi;
mod rest;
mod router;
mod server;

pub use access::Access;
pub use client::{ClientError, OwnerClient};
pub use server::{HttpServer, HttpState};
