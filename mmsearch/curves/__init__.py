"""The TensorBoard room: observations become curves and the HParams tab while a study runs."""

from mmsearch.curves.curves import Curves

__all__ = ["Curves"]
