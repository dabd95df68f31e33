//! Whole trainings as processes: what a killed run, a stopped run and a faulty plugin leave behind.
#![allow(clippy::unwrap_used)]

mod begun_anew;
#[path = "../shared/bundled.rs"]
mod bundled;
mod examples;
mod extending;
mod killed;
mod limits;
mod losses;
mod networks;
mod panics;
mod plugin_lock;
mod recompute;
mod several_devices;
mod side_by_side;
mod stopped;
mod tree;
