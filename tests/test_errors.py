import inspect
import pickle
import re

import pytest

from livecount import errors
from livecount.errors import LivecountError

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and value.__module__ == errors.__name__
}


def drawn_parents() -> dict[str, str | None]:
    """Read the tree in the docstring: class -> the class it hangs from."""
    above: list[tuple[int, str]] = []
    parents: dict[str, str | None] = {}
    for found in re.finditer(r"^( {4}[ |+-]*)(\w+Error)\b", errors.__doc__ or "", re.MULTILINE):
        depth, name = len(found[1]), found[2]
        above = [branch for branch in above if branch[0] < depth]
        parents[name] = above[-1][1] if above else None
        above.append((depth, name))
    return parents


def test_the_drawing_is_the_tree() -> None:
    bases = {name: value.__bases__[0].__name__ for name, value in CLASSES.items()}
    assert drawn_parents() == bases | {"LivecountError": None}
    assert bases["LivecountError"] == "Exception"


def test_all_is_complete() -> None:
    assert sorted(errors.__all__) == sorted(CLASSES)
    assert errors.__all__ == sorted(errors.__all__)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_explained_and_says_what_to_do(name: str) -> None:
    kind = CLASSES[name]
    assert kind.__doc__
    error = kind("the lamp is off", hint="Switch it on")
    assert isinstance(error, LivecountError)
    assert (error.message, error.hint) == ("the lamp is off", "Switch it on")
    assert str(error) == "the lamp is off. Switch it on."
    assert str(kind("the lamp is off")) == "the lamp is off"


@pytest.mark.parametrize("name", errors.__all__)
def test_errors_travel_between_processes(name: str) -> None:
    error = CLASSES[name]("the lamp is off", hint="Switch it on")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
