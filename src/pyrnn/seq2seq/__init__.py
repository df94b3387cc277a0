"""Sequence to sequence: attention, decoders, greedy, beam and sampled decoding."""

from ._attention import Attention as Attention
from ._attention_decoder import AttentionDecoder as AttentionDecoder
from ._generate import generate as generate
from ._seq2seq import Seq2Seq as Seq2Seq
