"""Promise: a vocabulary gives tokens ids and back, and one id to all that it does not know."""

import json
import pickle

import pytest

import pyrnn

SENTENCES = [["b", "a", "a"], ["c", "b", "a"], [], ["<unk>", "d"]]


def test_ids_go_by_frequency_then_alphabet():
    vocabulary = pyrnn.Vocabulary.build(SENTENCES)
    assert vocabulary.tokens == ("<pad>", "<unk>", "a", "b", "c", "d")
    assert len(vocabulary) == 6 and "a" in vocabulary and "e" not in vocabulary
    assert pyrnn.Vocabulary.build(reversed(SENTENCES)) == vocabulary


def test_min_count_and_max_size():
    assert pyrnn.Vocabulary.build(SENTENCES, min_count=2).tokens[2:] == ("a", "b")
    assert pyrnn.Vocabulary.build(SENTENCES, max_size=5).tokens[2:] == ("a", "b", "c")
    assert pyrnn.Vocabulary.build(SENTENCES, max_size=2).tokens[2:] == ()


def test_encode_and_decode():
    vocabulary = pyrnn.Vocabulary.build(SENTENCES)
    ids = vocabulary.encode(["d", "never", "a", "<pad>"])
    assert ids.dtype == "int64" and ids.tolist() == [5, vocabulary.unknown, 2, vocabulary.padding]
    assert vocabulary.decode(ids) == ["d", "<unk>", "a", "<pad>"]
    assert vocabulary.encode([]).shape == (0,)


def test_it_is_its_tokens():
    vocabulary = pyrnn.Vocabulary(["x", "y"])
    for again in (
        pyrnn.Vocabulary(json.loads(json.dumps(vocabulary.tokens))),
        pickle.loads(pickle.dumps(vocabulary)),
    ):
        assert again == vocabulary and again.encode(["y"]).tolist() == [3]
        assert hash(again) == hash(vocabulary)
    assert vocabulary != pyrnn.Vocabulary(["y", "x"])


def test_nothing_changes_the_tokens_but_not_the_ids():
    """A token that is added to `tokens` alone would have no id."""
    vocabulary = pyrnn.Vocabulary(["x"])
    with pytest.raises(AttributeError, match="append"):
        vocabulary.tokens.append("y")
    with pytest.raises(TypeError, match="item assignment"):
        vocabulary.tokens[2] = "y"
    with pytest.raises(AttributeError, match=r"Vocabulary\(tokens=\.\.\.\)"):
        vocabulary.tokens = ["<pad>", "<unk>", "y"]
    given = ["x"]
    vocabulary = pyrnn.Vocabulary(given)
    given.append("y")
    assert vocabulary == pyrnn.Vocabulary(["x"]) and vocabulary.encode(["y"]).tolist() == [1]


def test_a_pickle_of_a_list_of_tokens():
    """As it was stored before `tokens` became a tuple."""
    vocabulary = pyrnn.Vocabulary(["x"])
    old = pyrnn.Vocabulary.__new__(pyrnn.Vocabulary)
    old.__setstate__(vars(vocabulary) | {"tokens": list(vocabulary.tokens)})
    assert old == vocabulary and old.encode(["x"]).tolist() == [2]


def test_specials_take_the_first_ids():
    """Among the data they keep these; `max_size` counts them."""
    data, specials = [*SENTENCES, ["<eos>", "a"]], ("<bos>", "<eos>")
    vocabulary = pyrnn.Vocabulary.build(data, specials=specials, max_size=6)
    assert vocabulary.tokens == ("<pad>", "<unk>", "<bos>", "<eos>", "a", "b")
    assert vocabulary == pyrnn.Vocabulary(["a", "b"], specials=specials)
    assert [vocabulary.id(token) for token in specials] == [2, 3]
    assert pyrnn.Vocabulary(vocabulary.tokens) == vocabulary


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: pyrnn.Vocabulary("text"), TypeError, "tokens is 'text', expected a sequence"),
        (lambda: pyrnn.Vocabulary([1]), TypeError, "tokens holds 1, expected texts"),
        (lambda: pyrnn.Vocabulary(["a", "a"]), ValueError, "'a' comes twice"),
        (lambda: pyrnn.Vocabulary(["<pad>", "a"]), ValueError, "'<pad>', expected both"),
        (lambda: pyrnn.Vocabulary(["a"], specials=["a"]), ValueError, "'a' comes twice"),
        (lambda: pyrnn.Vocabulary(specials="a"), TypeError, "specials is 'a'"),
        (lambda: pyrnn.Vocabulary.build([], max_size=2, specials=["a"]), ValueError, "is 2"),
        (lambda: pyrnn.Vocabulary().id("a"), ValueError, "token is 'a'"),
        (lambda: pyrnn.Vocabulary.build(["text"]), TypeError, r"sequences\[0\] is 'text'"),
        (lambda: pyrnn.Vocabulary.build([], min_count=0), ValueError, "min_count is 0"),
        (lambda: pyrnn.Vocabulary.build([], max_size=1), ValueError, "max_size is 1"),
        (lambda: pyrnn.Vocabulary().encode("ab"), TypeError, "expected a sequence of tokens"),
        (lambda: pyrnn.Vocabulary().decode([0, 2]), ValueError, r"holds 2, expected .*0\.\.1"),
        (lambda: pyrnn.Vocabulary().decode([[0]]), ValueError, r"shape \(1, 1\)"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
