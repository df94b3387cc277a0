"""Korean interface messages: the translations in the catalogues (gettext) of three packages."""

import io
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

import fetch

FILES = "*/locale/ko*/LC_MESSAGES/django*.po"
HOLE = r"%\(\w+\)[sd]|%[sd]|\{[^{}]*\}|<[^<>]*>"  # placeholders, and tags


def pairs():
    """{English message: Korean message}, each once, of those with one form and no line breaks."""
    from babel.messages.pofile import read_po

    catalogues = fetch.read_all("django", FILES) | fetch.read_all("horizon", FILES)
    catalogues |= fetch.read_all("wagtail", FILES)
    found = {}
    for data in catalogues.values():
        for message in read_po(io.BytesIO(data), ignore_obsolete=True):
            english, korean = message.id, message.string
            if message.fuzzy or not isinstance(english, str) or "\n" in english + korean:
                continue
            if re.search("[a-zA-Z]", english) and re.search("[가-힣]", korean):
                found.setdefault(" ".join(english.split()), " ".join(korean.split()))
    return found


def english_words(text):
    """Lower-case words, punctuation marks one by one; a placeholder is one symbol."""
    return re.findall(rf"{HOLE}|[a-z']+|\d+|[^\sa-z\d]", re.sub(HOLE, "{}", text.lower()))


def korean_characters(text):
    """Characters, the space among them; a placeholder is one symbol."""
    return re.findall(rf"{HOLE}|.", re.sub(HOLE, "{}", text))


@contextmanager
def korean_font():
    """Inside it matplotlib writes in NanumGothic, from the package koreanize-matplotlib."""
    import matplotlib
    from matplotlib.font_manager import fontManager

    with tempfile.TemporaryDirectory() as folder, matplotlib.rc_context():
        path = Path(folder, "NanumGothic.ttf")
        path.write_bytes(fetch.read("koreanize-matplotlib", "*/NanumGothic.ttf"))
        fontManager.addfont(path)
        matplotlib.rcParams["font.family"] = "NanumGothic"
        yield
