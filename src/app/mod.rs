//! Floor 7: configuration and composition. Everything is built here and passed in.

mod config;
mod dotenv;
mod logging;
mod node;
mod owner;
mod port_holder;
mod printer;

pub use config::{Config, VARIABLES, Variable};
pub use dotenv::read_dotenv;
pub use logging::init_logging;
pub use node::{Node, NodeEvents};
pub use owner::{Mode, Owner};
