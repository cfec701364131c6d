//! A PC: sound from a recording or a sound card, keys to the terminal, a file or uinput.
