"""Folders in N24News' layout, small, for the tests of its reader; the images are not looked at."""

import json
from pathlib import Path
from typing import Any

from mmsearch.datasets.n24news import CLASSES, FILES

ROWS = {"train": 30, "valid": 5, "test": 4}
Content = dict[str, list[dict[str, Any]]]


def layout() -> Content:
    """Articles as the project publishes them, sections in turn."""

    def article(split: str, row: int) -> dict[str, Any]:
        name = f"{split}-{row}"
        return {
            "section": CLASSES[row % len(CLASSES)],
            "headline": f"Headline {name}",
            "article_url": f"https://example.org/{name}",
            "article": f"Body {name}",
            "abstract": f"Abstract {name}",
            "article_id": name,
            "image": f"https://example.org/{name}.jpg",
            "caption": f"Caption {name}",
            "image_id": name,
        }

    return {split: [article(split, row) for row in range(rows)] for split, rows in ROWS.items()}


def write(folder: Path, content: Content) -> Path:
    for part in ("news", "imgs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for split, file in FILES.items():
        (folder / file).write_text(json.dumps(content[split]), encoding="utf-8")
        for row in range(ROWS[split]):
            (folder / "imgs" / f"{split}-{row}.jpg").write_bytes(f"image {split} {row}".encode())
    return folder
