"""Folders in UPMC Food-101's layout, small, for the tests of its reader."""

import csv
from pathlib import Path

CLASSES = ("apple_pie", "baby_back_ribs", "waffles")
ROWS = {"train": 60, "test": 6}
Content = dict[str, list[dict[str, str]]]


def layout() -> Content:
    """Rows as the tables have them, classes in turn."""

    def row(part: str, number: int) -> dict[str, str]:
        name = CLASSES[number % 3]
        return {
            "id": f"{name}_{part}_{number}.jpg",
            "text": f"Title, of {number}",
            "annotation": name,
            "label": str(number % 3),
        }

    return {part: [row(part, number) for number in range(rows)] for part, rows in ROWS.items()}


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write(folder: Path, content: Content | None = None) -> Path:
    """A complete folder; the tables may say otherwise than its images and pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in layout().items():
        write_table(folder / f"{part}.csv", (content or layout())[part])
        for row in rows:
            image = folder / "images" / part / row["annotation"] / row["id"]
            page = folder / "texts_txt" / row["annotation"] / row["id"].replace(".jpg", ".txt")
            for path, text in ((image, "image"), (page, f"Page-of: {row['id']}")):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{text}", encoding="utf-8")
    return folder
