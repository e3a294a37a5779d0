//! x
mod api_rules;
mod code_lines;
mod detectors;
#[cfg(test)]
mod detectors_tests;
mod diff;
mod focus;
mod workflow_rules;
