"""Piano rolls from MusicXML, and MIDI from piano rolls."""

import struct
import xml.etree.ElementTree as ElementTree

import numpy as np

import fetch

LOW, PITCHES, PER_QUARTER = 36, 49, 2  # the lowest MIDI pitch, how many, steps per quarter note
SEMITONES = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))


def notes(part):
    """(start, end, MIDI pitch) of the notes in one part of a MusicXML score, in steps."""
    now, start, divisions = 0, 0, 1
    for element in part.iter():
        length = int(element.findtext("duration") or 0)
        if element.tag == "divisions":
            divisions = int(element.text) / PER_QUARTER
        elif element.tag == "backup":
            now -= length
        elif element.tag == "forward":
            now += length
        elif element.tag == "note" and length:
            if element.find("chord") is None:
                start, now = now, now + length
            if (pitch := element.find("pitch")) is not None:
                octave, alter = int(pitch.findtext("octave")), int(pitch.findtext("alter") or 0)
                midi = 12 * (octave + 1) + SEMITONES[pitch.findtext("step")] + alter
                yield round(start / divisions), round((start + length) / divisions), midi


def chorales():
    """The piano rolls (T, PITCHES) of all chorales in four parts, each once."""
    rolls = {}
    for data in fetch.read_all("music21", "music21/corpus/bach/*.mxl").values():
        (score,) = fetch.members(data, "[!M]*xml").values()
        parts = [list(notes(part)) for part in ElementTree.fromstring(score).iter("part")]
        if len(parts) == 4 and all(parts):
            roll = np.zeros((max(end for part in parts for _, end, _ in part), PITCHES), np.float32)
            for start, end, midi in (note for part in parts for note in part):
                if LOW <= midi < LOW + PITCHES:
                    roll[start:end, midi - LOW] = 1
            rolls[roll.tobytes()] = roll
    return list(rolls.values())


def write_midi(roll, path):
    """A MIDI file of one track, 80 quarters a minute."""
    events, waited, before = (
        bytearray(b"\0\xff\x51\3" + (750_000).to_bytes(3)),
        0,
        np.zeros(PITCHES),
    )
    for column in [*roll, np.zeros(PITCHES)]:
        for pitch in np.flatnonzero(column != before):
            on = column[pitch] > 0
            delta = [waited >> 14 & 127 | 128, waited >> 7 & 127 | 128, waited & 127]
            events += bytes([*delta, 0x90 if on else 0x80, LOW + pitch, 80])
            waited = 0
        waited, before = waited + 480 // PER_QUARTER, column
    events += b"\0\xff\x2f\0"
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480)
    with open(path, "wb") as file:
        file.write(header + b"MTrk" + struct.pack(">I", len(events)) + events)
