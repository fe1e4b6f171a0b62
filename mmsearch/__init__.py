"""mmsearch: distributed hyperparameter search for multimodal learning.

The package has no door of its own: each room (a module or a package below) is imported by name,
and `README.md` gives the order to read them in.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("mmsearch")
except PackageNotFoundError:  # a checkout on PYTHONPATH that was never installed
    __version__ = "0+uninstalled"
