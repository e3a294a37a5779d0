//! Floor 6: the Model Context Protocol, over stdio and for `/mcp`. Turns JSON into a request and a
//! reply into text; knows nothing of claims.
//!
//! A record is one compact text block; what strangers wrote is a second one, fenced and marked.
//! No text is sent twice: there is no structured content and no output schema, because clients
//! then hide the text from the model.

mod prompts;
mod protocol;
mod resources;
mod server;
mod stdio;

pub use protocol::{Era, flaw_of, id_of, with_next_step};
pub use server::{Activity, McpServer};
pub use stdio::serve_stdio;
