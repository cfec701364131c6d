//! What differs from board to board, as data. One folder per board.

pub mod desk;
