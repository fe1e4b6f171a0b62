"""Loads what transformers wrote: from a folder, or by its name on the Hugging Face hub.

Unusual: a folder that lacks any weight of the network is refused, where transformers would draw it
at random; no code that comes with a model is run.
"""

import logging
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from mmsearch.backbones.network import missing
from mmsearch.errors import Problem, StudyError
from mmsearch.study.files import at_home

UNUSED = ("pooler", "masked_spec_embed", "lm_head", "cls.")
"""Parts of networks whose weights nothing here reads."""
WRITTEN = "Give a folder that save_pretrained of transformers wrote"
"""The way out of most mistakes about a network."""


def load_model(name: str) -> Any:
    """The network, on the CPU, in float32 and evaluation mode.

    Raises:
        StudyError: it is not there, or not whole.
    """
    with _explained(name):
        transformers = _transformers(name)
        model, info = transformers.AutoModel.from_pretrained(
            _place(name), output_loading_info=True, dtype="float32"
        )
    lacking = sorted(key for key in info["missing_keys"] if not key.startswith(UNUSED))
    if lacking:
        rule = f"lacks {len(lacking)} weights of the network, {lacking[0]} among them"
        raise StudyError(Problem(f"model {name!r}", rule, "Take another one, or save it whole."))
    return model.eval()


def load_part(name: str, kind: str) -> Any:
    """The tokenizer, image processor or feature extractor that was written with a network.

    Args:
        name: as the network's.
        kind: name of the class of transformers, such as `AutoTokenizer`.

    Raises:
        StudyError: it is not there.
    """
    with _explained(name):
        return getattr(_transformers(name), kind).from_pretrained(_place(name))


def identity(name: str, model: Any) -> str:
    """SHA-256 of a folder's files, or the name on the hub with its commit."""
    folder = at_home(name)
    if not folder.is_dir():
        return f"{name}@{getattr(model.config, '_commit_hash', None)}"
    digest = sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            digest.update(path.name.encode() + b"\0")
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _place(name: str) -> str:
    """The path of a folder that is there, made absolute; else the name as it is."""
    folder = at_home(name)
    if folder.is_dir():
        return str(folder.resolve())
    if name.startswith((".", "/", "~")):
        raise StudyError(Problem(f"model {name!r}", "there is no such folder", f"{WRITTEN}."))
    return name


def _transformers(name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise missing(name, "transformers") from error
    transformers.utils.logging.disable_progress_bar()
    # The answer says what is wrong; warnings of each try beside it would hide it.
    for speaker in ("transformers", "huggingface_hub"):
        logging.getLogger(speaker).setLevel(logging.ERROR)
    return transformers


@contextmanager
def _explained(name: str) -> Generator[None]:
    """Turns what transformers raises into an answer."""
    try:
        yield
    except StudyError:
        raise
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".:")
        reason = textwrap.shorten(first, 200, placeholder=" ...")
        way_out = WRITTEN + (
            "."
            if at_home(name).exists()
            else ", or a name on the hub that this machine can reach or has kept."
        )
        raise StudyError(
            Problem(f"model {name!r}", f"cannot be loaded ({reason})", way_out)
        ) from error
