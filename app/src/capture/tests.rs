//! Tests of the ring and the capture thread.
