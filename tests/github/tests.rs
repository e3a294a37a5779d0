//! Tests of the stand-in itself, through its socket: what it gets wrong, every
//! test that relies on it would get wrong too.

mod client;
mod faults;
mod graphql;
mod pull_request;
mod rest;
