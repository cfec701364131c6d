"""Changes to sound that keep its words: level, speed, room, noise, silence around it.

Sound is f32 [samples] at 16 kHz; every function takes the random generator it draws from.
"""

import numpy as np
from scipy.signal import fftconvolve, resample_poly

RATE_HZ = 16_000
SPEEDS = [(9, 10), (19, 20), (20, 21), (21, 20), (20, 19), (10, 9)]
"""Up and down factors of the resampling: 10 % slower to 10 % faster."""


def rms(sound: np.ndarray) -> float:
    """Root mean square of the loud part: 20 ms frames within 20 dB of the loudest."""
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    if not len(frames):
        return float(np.sqrt(np.mean(sound**2)) + 1e-9)
    power = (frames**2).mean(1)
    return float(np.sqrt(power[power >= power.max() / 100].mean()) + 1e-9)


def at_level(sound: np.ndarray, level_db: float) -> np.ndarray:
    """Scaled to a level in dB of full scale; peaks are clipped."""
    return (sound * (10 ** (level_db / 20) / rms(sound))).clip(-1, 1)


def speed(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Played faster or slower, pitch and all."""
    up, down = SPEEDS[random.integers(len(SPEEDS))]
    return resample_poly(sound, up, down).astype(np.float32)


def room(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """In a room: direct sound and a decaying tail of noise, reverberation time 0.1 to 0.6 s."""
    seconds = random.uniform(0.1, 0.6)
    n = int(seconds * RATE_HZ)
    tail = random.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    response = tail * random.uniform(0.02, 0.12) / np.sqrt((tail**2).sum() / 100)
    response[0] = 1.0
    return fftconvolve(sound, response)[: len(sound)].astype(np.float32)


def coloured_noise(samples: int, random: np.random.Generator) -> np.ndarray:
    """Stationary noise with a spectrum between white and brown, level 1 (RMS)."""
    spectrum = np.fft.rfft(random.standard_normal(samples))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** random.uniform(0, 1)
    noise = np.fft.irfft(spectrum, samples)
    return (noise / (np.sqrt(np.mean(noise**2)) + 1e-9)).astype(np.float32)


def stretch(noises: list[np.ndarray], samples: int, random: np.random.Generator) -> np.ndarray:
    """A piece of one of the recorded noises, as long as asked, level 1 (RMS)."""
    noise = noises[random.integers(len(noises))]
    if len(noise) <= samples:
        noise = np.tile(noise, samples // len(noise) + 2)
    at = random.integers(len(noise) - samples)
    noise = noise[at : at + samples].astype(np.float32)
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-6)


def babble(voices: list[np.ndarray], samples: int, random: np.random.Generator) -> np.ndarray:
    """People who talk at once in the background, as long as asked, level 1 (RMS)."""
    noise = sum(stretch([voice], samples, random) for voice in voices)
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-6)


def noise_like(samples: int, noises: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Recorded noise (two times in three) or coloured noise, as long as asked, level 1 (RMS)."""
    if not noises or random.random() < 1 / 3:
        return coloured_noise(samples, random)
    return stretch(noises, samples, random)


def mix(sound: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Sound with a noise of level 1 so many dB under the speech."""
    return (sound + noise * rms(sound) * 10 ** (-snr_db / 20)).clip(-1, 1).astype(np.float32)


def add_noise(sound: np.ndarray, snr_db: float, noises: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """With some noise so many dB under the speech."""
    return mix(sound, noise_like(len(sound), noises, random), snr_db)


def silence(random: np.random.Generator) -> int:
    """Samples of silence before or behind speech: mostly a push-to-talk dictation's, sometimes none or much."""
    kind = random.random()
    seconds = 0.0 if kind < 0.15 else random.uniform(0.05, 0.8) if kind < 0.85 else random.uniform(0.8, 3.0)
    return int(seconds * RATE_HZ)
