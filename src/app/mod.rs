//! Floor 7: configuration and composition. Everything is built here and passed in.

mod config;
mod dotenv;
mod event_reader;
mod logging;
mod node;
mod owner;
mod port_holder;
mod printer;

pub use config::{Config, VARIABLES, Variable};
pub use dotenv::read_dotenv;
pub use event_reader::{WantedEvents, read_events};
pub use logging::init_logging;
pub use node::Node;
pub use owner::{Mode, Owner};
