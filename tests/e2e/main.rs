//! Real programs on the drive, and what people do wrong.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod many_files;
mod other_machines;
mod programs;
