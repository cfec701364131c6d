//! A QEMU plugin that counts the instructions a program executes. On one thread the count repeats to a few
//! instructions in billions, whatever else the machine does: a measure of cost where time cannot be measured.
//!
//! ```text
//! qemu-aarch64 -cpu cortex-a53 -plugin liboratype_instruction_count.so,out=FILE,phase=NAME PROGRAM
//! ```
//!
//! `out` gets lines with tabs: `total`, then `phase NAME` and `function NAME` with their counts. A phase begins
//! whenever the function of that name is entered and ends where another begins; what runs before the first is
//! `start`. Functions are known by the symbols of the program itself; what runs in shared libraries is `elsewhere`.
//!
//! Written against version 1 of the plugin interface, which QEMU 4.2 to 8.2 have (`qemu-plugin.h`). Here are the
//! calls of QEMU and back; [`counts`] keeps the books.

// A test program cannot be linked with the calls: QEMU has them.
#[cfg_attr(test, expect(dead_code, reason = "used by the plugin alone"))]
mod counts;
#[cfg(not(test))]
pub mod plugin;
