"""Data: datasets of sequences of any lengths, and vocabularies."""

from ._dataset import SequenceDataset as SequenceDataset
from ._vocabulary import Vocabulary as Vocabulary
