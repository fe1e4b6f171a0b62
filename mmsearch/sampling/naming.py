"""How the generations of a study are called in Optuna: `selfmi`, `selfmi@2`, `selfmi@3`."""


def title(name: str, generation: int) -> str:
    """Name in Optuna of a generation of a study."""
    return name if generation == 1 else f"{name}@{generation}"


def split(title: str) -> tuple[str, int | None]:
    """A study and the generation of it that is named; None where none is: `selfmi@1` is one."""
    name, separator, generation = title.rpartition("@")
    if separator and name and generation.isdecimal():
        return name, int(generation)
    return title, None
