"""Models as files of C."""

from ._export import export_c as export_c
