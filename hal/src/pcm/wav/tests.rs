//! Tests of the WAV driver; filled in below the conformance suite.
