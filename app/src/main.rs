//! The `oratype` command: reads the command line, names a board, and joins drivers and pipeline.
//!
//! Architecture invariant: only this binary knows boards, and only it exits the process.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
