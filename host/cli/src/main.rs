//! The commands of nnU-Net, one file each: parse, call the pipeline, show. There is no science here.

mod arguments;
mod commands;
mod demo;
mod estimate;
mod failure;
mod folds;
mod monitor;
mod new_plugin;
mod options;
mod prediction;
mod show;
mod slurm;
mod validate;

use failure::Failure;
use std::{env, process::ExitCode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    standard::link();
    let mut given = env::args_os();
    let program = given.next().unwrap_or_default();
    let call = commands::parse(arguments::called_as(&program), arguments::normalise(given));
    match call.map_err(Failure::from).and_then(commands::Call::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
