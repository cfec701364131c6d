//! What is typed for which character. That the keys type it is checked by round trip in `tests/layouts`.
