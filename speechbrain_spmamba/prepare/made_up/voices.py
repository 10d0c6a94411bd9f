"""Made-up talkers: a voice is a few constants, an utterance is an array.

The synthesis follows the source-filter model of speech. Pulses at the pitch
and a little breath noise are the source; resonators at moving formant
frequencies are the filter; noise in a band stands for fricatives and bursts.
What comes out is not intelligible, and is not meant to be. It has what a
separation system works with: harmonics that glide, formants that differ from
talker to talker, syllables, unvoiced sounds and pauses.

All randomness comes from the generator ``rng``.
"""

from dataclasses import dataclass

import numpy as np

from speechbrain_spmamba.prepare.made_up.phones import write_script

SAMPLE_RATE = 16000  # of LibriSpeech; the phone table ends near 8 kHz
TRACK_RATE = 500  # control values a second: fine enough for a stop burst
FRAME, HOP, FFT_SIZE = 256, 128, 512  # samples: 16 ms, 8 ms, and the tail
SHORTEST = 1.0  # seconds: less holds no whole phrase


# Ranges of pitch in Hz, tract and source in Hz: plain, and of full contrast.
RANGES = {
    "M": (
        ((80.0, 155.0), (0.87, 1.04), (70.0, 200.0)),
        ((75.0, 105.0), (0.82, 0.90), (50.0, 70.0)),
    ),
    "F": (
        ((165.0, 260.0), (1.03, 1.20), (70.0, 200.0)),
        ((230.0, 300.0), (1.15, 1.25), (600.0, 1200.0)),
    ),
}


@dataclass(frozen=True)
class Voice:
    """The constants of one talker.

    Arguments
    ---------
    sex : str
        "F" or "M".
    pitch_hz : float
        Geometric mean of the pitch.
    pitch_range : float
        Size of the pitch movements, in semitones.
    wobble_hz, wobble : float
        Rate in Hz and depth in semitones of the slow shake of the pitch.
    jitter : float
        Random shift of each glottal pulse, as a share of the period.
    shimmer : float
        Random level of each glottal pulse, in dB.
    tract : float
        Factor on all formant frequencies: 1 is the average man, larger is a
        shorter vocal tract.
    vowel_shift : tuple
        Three further factors, on F1, F2 and F3: the talker's accent.
    source_hz : float
        Corner of the glottal spectrum; lower is duller.
    breath : float
        Noise in the voice, in dB.
    syllables : float
        Syllables a second within a phrase.
    phrase, pause : float
        Typical length of phrases and of the pauses between them, in seconds.
    floor : float
        Level of the recording's background noise, in dBFS.
    """

    sex: str
    pitch_hz: float
    pitch_range: float
    wobble_hz: float
    wobble: float
    jitter: float
    shimmer: float
    tract: float
    vowel_shift: tuple
    source_hz: float
    breath: float
    syllables: float
    phrase: float
    pause: float
    floor: float


def draw_voice(
    rng: np.random.Generator, sex: str | None = None, contrast: float = 0.0
) -> Voice:
    """Draws the constants of one talker.

    Arguments
    ---------
    sex : str
        "F" or "M"; None draws one.
    contrast : float
        0 draws voices as people have them. Towards 1, men's become deep and
        dull and women's high and bright, and telling them apart gets easy.

    Returns
    -------
    Voice

    Example
    -------
    >>> voice = draw_voice(np.random.default_rng(0), sex="F")
    >>> 165 <= voice.pitch_hz <= 260
    True
    """
    if sex is None:
        sex = "FM"[rng.integers(2)]
    if sex not in ("F", "M"):
        raise ValueError(f'sex is {sex!r}; give "F", "M" or None')
    plain, extreme = RANGES[sex]
    pitch, tract, source = np.add(
        np.multiply(1 - contrast, plain), np.multiply(contrast, extreme)
    )
    return Voice(
        sex=sex,
        pitch_hz=float(np.exp(rng.uniform(*np.log(pitch)))),
        pitch_range=rng.uniform(2.5, 5.5),
        wobble_hz=rng.uniform(3.0, 6.0),
        wobble=rng.uniform(0.05, 0.25),
        jitter=rng.uniform(0.003, 0.012),
        shimmer=rng.uniform(0.2, 0.8),
        tract=rng.uniform(*tract),
        vowel_shift=tuple(rng.uniform(0.94, 1.06, 3).tolist()),
        source_hz=rng.uniform(*source),
        breath=rng.uniform(-30.0, -18.0),
        syllables=rng.uniform(3.2, 5.5),
        phrase=rng.uniform(1.3, 2.5),
        pause=rng.uniform(0.2, 0.5),
        floor=rng.uniform(-75.0, -60.0),
    )


def _melody(voice, rng, script, times):
    """Pitch in Hz at ``times``, phrase by phrase."""
    bend = np.zeros_like(times)
    inside = np.zeros(times.shape, bool)
    for start, end in script.phrases:
        now = (times >= start) & (times <= end)
        inside |= now
        share = np.clip((times - start) / (end - start), 0.0, 1.0)
        # Pitch falls through a phrase; at its end it mostly falls further.
        last = rng.choice((-0.7, 0.6), p=(0.7, 0.3))
        tail = np.clip((times - end + 0.25) / 0.25, 0.0, 1.0) ** 2
        curve = 0.6 - 1.2 * share + last * tail
        bend = np.where(now, voice.pitch_range * curve, bend)
    for moment, height in script.accents:
        bend += height * np.exp(-0.5 * ((times - moment) / 0.08) ** 2)
    bend = _smooth(bend, 0.05)
    bend -= bend[inside].mean()
    shake = 2 * np.pi * (voice.wobble_hz * times + rng.random())
    return voice.pitch_hz * 2 ** ((bend + voice.wobble * np.sin(shake)) / 12)


def _smooth(track, seconds):
    """Averages ``[T]`` or ``[T, N]`` over a Hann window, ends held."""
    half = max(int(seconds * TRACK_RATE / 2), 1)
    window = np.hanning(2 * half + 3)[1:-1]
    window /= window.sum()
    flat = track.reshape(len(track), -1)
    padded = np.pad(flat, ((half, half), (0, 0)), mode="edge")
    columns = [np.convolve(c, window, mode="valid") for c in padded.T]
    return np.stack(columns, axis=-1).reshape(track.shape)


def _formant_track(voice, phones, starts, times):
    """F1-F3 in Hz, ``[T, 3]``: straight lines between phone targets."""
    moments, targets = [], []
    for phone, start in zip(phones, starts, strict=True):
        if phone.formants:
            moments += [
                start + 0.3 * phone.seconds,
                start + 0.7 * phone.seconds,
            ]
            targets += [phone.formants, phone.formants]
    targets = np.array(targets) * voice.tract * voice.vowel_shift
    lines = [np.interp(times, moments, column) for column in targets.T]
    return _smooth(np.stack(lines, axis=-1), 0.04)


def _pulses(voice, rng, pitch, level, samples):
    """Glottal pulses ``[samples]``, placed between samples where needed."""
    step = TRACK_RATE / SAMPLE_RATE  # control values a sample
    grid = np.arange(len(pitch))
    clock = np.arange(samples)
    cycles = np.cumsum(np.interp(clock * step, grid, pitch)) / SAMPLE_RATE
    count = int(cycles[-1])
    at = np.interp(np.arange(1, count + 1), cycles, clock)
    period = SAMPLE_RATE / np.interp(at * step, grid, pitch)
    at = at + voice.jitter * period * rng.standard_normal(count)
    gain = np.interp(at * step, grid, level)
    gain = gain * 10 ** (voice.shimmer * rng.standard_normal(count) / 20)
    # A windowed sinc keeps the pulse at its exact, fractional, position.
    whole = np.floor(at).astype(int)[:, None] + np.arange(-7, 9)
    away = whole - at[:, None]
    taps = gain[:, None] * np.sinc(away) * np.cos(np.pi * away / 18) ** 2
    inside = (whole >= 0) & (whole < samples)
    return np.bincount(whole[inside], taps[inside], minlength=samples)


def _tract_response(voice, formants, bins):
    """Response ``[frames, bins]`` of the vocal tract, minimum phase."""
    upper = np.array([3500.0, 4500.0, 5500.0, 6500.0]) * voice.tract
    upper = upper[upper < 7300.0]
    # The upper formants follow the third, at a distance.
    lift = 0.3 * (formants[:, 2:] - 2500.0 * voice.tract)
    centre = np.concatenate([formants, upper + lift], axis=1)
    width = 50.0 + 0.03 * centre
    radius = np.exp(-np.pi * width / SAMPLE_RATE)
    first = 2 * radius * np.cos(2 * np.pi * centre / SAMPLE_RATE)
    first = first.astype(np.float32)[..., None]
    second = (radius**2).astype(np.float32)[..., None]
    delay = np.exp(-1j * np.pi * np.arange(bins) / (bins - 1))
    delay = delay.astype(np.complex64)
    response = np.ones((len(formants), bins), np.complex64)
    for k in range(centre.shape[1]):
        below = 1 - first[:, k] * delay + second[:, k] * delay**2
        response *= (1 - first[:, k] + second[:, k]) / below
    return response


def _hiss_response(centre, width, bins):
    """Gain ``[frames, bins]`` of a noise band, unit power on white noise."""
    hertz = np.linspace(0, SAMPLE_RATE / 2, bins, dtype=np.float32)
    away = (hertz - centre[:, None]) / width[:, None]
    gain = np.exp(-0.5 * away.astype(np.float32) ** 2)
    return gain / np.sqrt((gain**2).mean(axis=1, keepdims=True))


def _frames(signal, window):
    """Windowed spectra ``[frames, bins]`` of a padded signal."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, FRAME)[::HOP]
    return np.fft.rfft(frames.astype(np.float32) * window, FFT_SIZE, axis=1)


def _overlap_add(spectra):
    """Inverse of ``_frames``, with the filters' tails."""
    frames = np.fft.irfft(spectra, axis=1)
    wave = np.zeros((len(frames) + FFT_SIZE // HOP) * HOP)
    for k in range(FFT_SIZE // HOP):
        part = frames[:, k * HOP : (k + 1) * HOP].reshape(-1)
        wave[k * HOP : k * HOP + len(part)] += part
    return wave


def speak(
    voice: Voice, rng: np.random.Generator, seconds: float
) -> tuple[np.ndarray, list[str]]:
    """Says something.

    Arguments
    ---------
    voice : Voice
        Who speaks.
    seconds : float
        How long, at least 1 s.

    Returns
    -------
    wave : numpy.ndarray
        ``[round(seconds * 16000)]``, float64 at 16 kHz. RMS -28 to -23 dBFS,
        less where the peak would pass 0.9.
    words : list of str
        What was said, spelt by sound.

    Raises
    ------
    ValueError
        Less than 1 s is asked for.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> wave, words = speak(draw_voice(rng), rng, seconds=1.5)
    >>> wave.shape
    (24000,)
    """
    from scipy.signal import get_window, lfilter

    if seconds < SHORTEST:
        raise ValueError(
            f"an utterance of {seconds} s is too short; ask for at least "
            f"{SHORTEST} s"
        )
    samples = round(seconds * SAMPLE_RATE)
    script = write_script(voice, rng, seconds)
    phones = script.phones
    ends = np.cumsum([phone.seconds for phone in phones])
    starts = ends - [phone.seconds for phone in phones]
    times = np.arange(round(seconds * TRACK_RATE) + 1) / TRACK_RATE
    owner = np.minimum(
        np.searchsorted(ends, times, side="right"), len(phones) - 1
    )

    def track(name, smoothing):
        values = np.array([getattr(phone, name) for phone in phones], float)
        return _smooth(10 ** (values[owner] / 20), smoothing)

    # 1. The source: voiced pulses, with breath on top.
    clock = np.arange(samples) / SAMPLE_RATE
    pitch = _melody(voice, rng, script, times)
    source = _pulses(voice, rng, pitch, track("voice", 0.03), samples)
    # Two poles are the glottis; the zero is the radiation from the lips.
    corners = np.array([1.0, 3.0]) * voice.source_hz
    poles = np.exp(-2 * np.pi * corners / SAMPLE_RATE)
    source = lfilter([1.0, -0.995], np.poly(poles), source)
    source /= np.sqrt(np.mean(source**2)) + 1e-12
    breath = np.interp(clock, times, track("breath", 0.02))
    source += breath * rng.standard_normal(samples)
    hiss = np.interp(clock, times, track("hiss", 0.01))
    hiss = hiss * rng.standard_normal(samples)

    # 2. The filter, one a frame; frames overlap by half and add up to one.
    window = get_window("hann", FRAME).astype(np.float32)
    pad = (HOP, FRAME + HOP)
    spectra = _frames(np.pad(source, pad), window)
    middle = np.arange(len(spectra)) * HOP / SAMPLE_RATE
    formants = _formant_track(voice, phones, starts, times)
    formants = np.stack(
        [np.interp(middle, times, column) for column in formants.T], axis=-1
    )
    bins = spectra.shape[1]
    spectra *= _tract_response(voice, formants, bins)
    spectra /= np.sqrt(np.mean(np.abs(spectra) ** 2)) + 1e-12
    noise = _frames(np.pad(hiss, pad), window)
    now = owner[np.minimum(np.searchsorted(times, middle), len(times) - 1)]
    centre = voice.tract * np.array([phone.hiss_hz for phone in phones])
    width = np.array([phone.hiss_width for phone in phones])
    noise *= _hiss_response(np.minimum(centre, 7000.0)[now], width[now], bins)
    # A frame of white noise of unit variance has this much energy a bin.
    spectra += noise / np.sqrt(np.sum(window**2))

    # 3. Back to a waveform, at a usual level, in a room that is not silent.
    wave = _overlap_add(spectra)[HOP : HOP + samples]
    wave *= 10 ** (rng.uniform(-28, -23) / 20) / np.sqrt(np.mean(wave**2))
    wave *= min(1.0, 0.9 / np.abs(wave).max())
    wave += 10 ** (voice.floor / 20) * rng.standard_normal(samples)
    return wave, script.words
