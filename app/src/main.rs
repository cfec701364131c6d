//! The `oratype` command.

fn main() {}
