"""Speech that espeak-ng synthesizes, its log mel spectrum, and templates that time is warped to."""

import ctypes

import numpy as np

HOP, WINDOW, BANDS = 0.016, 0.032, 24  # seconds from frame to frame, of a frame; mel bands
RATE, PITCH, RANGE = 1, 3, 4  # espeak-ng's numbers of its parameters
SYNCHRONOUS, UTF8 = 2, 1


class Synthesizer:
    """espeak-ng of the package espeakng-loader, which needs no program on the machine."""

    def __init__(self):
        import espeakng_loader

        self._espeak = ctypes.CDLL(espeakng_loader.get_library_path())
        path = espeakng_loader.get_data_path().encode()
        self.rate = self._espeak.espeak_Initialize(SYNCHRONOUS, 500, path, 0)
        if self.rate <= 0:
            raise OSError(f"espeak_Initialize gave {self.rate}, expected a sampling rate")
        form = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._pieces, self._callback = [], form(self._take)  # held: C keeps its address only
        self._espeak.espeak_SetSynthCallback(self._callback)

    def _take(self, samples, count, events):
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def __call__(self, text, voice, *, rate, pitch, range_):
        """The sound of a text as floats: rate in words a minute; pitch and its range to 100."""
        self._pieces.clear()
        if self._espeak.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        for number, value in ((RATE, rate), (PITCH, pitch), (RANGE, range_)):
            self._espeak.espeak_SetParameter(number, int(value), 0)
        data = text.encode()
        self._espeak.espeak_Synth(data, len(data) + 1, 0, 0, 0, UTF8, None, None)
        self._espeak.espeak_Synchronize()
        return np.concatenate(self._pieces).astype(np.float32) / 32768


def log_mel(sound, rate):
    """(T, BANDS): the logarithm of the power in triangular bands that are even in mel."""
    size, hop = int(WINDOW * rate), int(HOP * rate)
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames)) ** 2
    mel = np.linspace(hz_to_mel(60.0), hz_to_mel(7600.0), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hz = np.fft.rfftfreq(size, 1 / rate)[:, None]
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    bands = np.maximum(0, np.minimum(rising, falling))
    logs = np.log(power @ bands + 1e-4)
    return ((logs + 3) / 3).astype(np.float32)  # about as large as suits a network


def hz_to_mel(hz):
    return 2595 * np.log10(1 + hz / 700)


class Templates:
    """Recognizes connected words by templates: dynamic time warping in one pass (Ney 1984).

    A step of the sound stays at a frame of a template, goes on by one, or leaves one out; after
    the last frame of any template any other may begin, for the price `penalty`.
    """

    def __init__(self, sounds, labels):
        self.labels = list(labels)
        self.frames = np.concatenate(sounds)
        ends = np.cumsum([len(sound) for sound in sounds])
        self.first, self.last = np.append(0, ends[:-1]), ends - 1
        self.word = np.repeat(np.arange(len(sounds)), [len(sound) for sound in sounds])

    def __call__(self, sound, penalty):
        """The labels of the words whose templates fit a sound best."""
        count = len(self.frames)
        squares = (self.frames**2).sum(axis=1)
        distance = np.sqrt(
            np.maximum(squares + (sound**2).sum(axis=1)[:, None] - 2 * sound @ self.frames.T, 0)
        )
        cost, begun = np.full(count, np.inf), np.zeros(count, int)  # where each path's word began
        history = []  # the best end at each step: (cost, word, when it began)
        barred = [self.first, np.concatenate([self.first, self.first + 1])]
        for t, here in enumerate(distance):
            best_end = history[-1][0] if t else 0.0
            moves, starts = [cost.copy()], [begun.copy()]
            for step in (1, 2):
                moved, start = np.roll(cost, step), np.roll(begun, step)
                moved[barred[step - 1] % count] = np.inf  # it came from another template
                moves.append(moved)
                starts.append(start)
            entered = np.full(count, np.inf)
            entered[self.first] = best_end + penalty
            moves.append(entered)
            starts.append(np.full(count, t))
            choice = np.argmin(moves, axis=0)
            cost = np.take_along_axis(np.array(moves), choice[None], 0)[0] + here
            begun = np.take_along_axis(np.array(starts), choice[None], 0)[0]
            end = self.last[np.argmin(cost[self.last])]
            history.append((cost[end], self.word[end], begun[end]))
        words, t = [], len(history) - 1
        while t >= 0:
            _, word, begin = history[t]
            words.append(self.labels[word])
            t = begin - 1
        return words[::-1]
