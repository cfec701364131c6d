//! Host tools: everything that is made on a PC before the appliance starts.
//!
//! Architecture invariant: only this crate talks to the network. The appliance's own program
//! has no network code.

pub mod flash;
pub mod model;
pub mod sd;
