//! Host tools: model files and, later, the SD card image.

fn main() {}
