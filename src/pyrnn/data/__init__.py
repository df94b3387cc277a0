"""Data: datasets of sequences of any lengths, and vocabularies."""

from ._dataset import SequenceDataset as SequenceDataset
from ._stored import StoredDataset as StoredDataset
from ._vocabulary import Vocabulary as Vocabulary
