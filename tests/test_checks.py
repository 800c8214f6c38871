"""The project's own rules: style, types, layers, a light start, honest documents."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "livecount"
HEAVY = ("numpy", "pandas", "scipy", "skimage", "matplotlib", "sqlalchemy", "onnxruntime", "numba",
         "tifffile", "torch", "statsmodels", "watchdog")  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    "words",
    [
        ("ruff", "format", "--check", "."),
        ("ruff", "check", "."),
        ("mypy",),
        ("importlinter.cli",),
    ],
    ids=" ".join,
)
def test_check_passes(words: tuple[str, ...], tmp_path: Path) -> None:
    if words[0] == "importlinter.cli":
        call = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as f; f()"]
        call += ["--no-cache"]
    elif words[0] == "mypy":
        call = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)]
    else:
        call = [sys.executable, "-m", *words, "--no-cache"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("words", [("-c", "import livecount"), ("-m", "livecount", "--help")])
def test_starts_without_anything_heavy(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "livecount" in imported
    assert not imported.intersection(HEAVY)


def test_the_monitor_stays_light_for_weeks() -> None:
    heavy = ("pandas", "scipy", "skimage", "matplotlib", "onnxruntime", "numba", "lmfit")
    code = f"import sys, livecount.monitor.daemon; print(*{{*{heavy}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_readable(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert text.count("\n") <= 460
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in COMMANDS:
            assert (node.end_lineno or 0) - node.lineno < 75, node.name


# A command's options are its signature, documented one a line.
COMMANDS = {"run", "count"}


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_command_explains_itself_with_an_example() -> None:
    names = ("demo", "run", "count", "export", "plot", "status", "doctor", "evaluate", "train",
             "simulate", "calibrate")  # fmt: skip
    listed = _help()
    for name in names:
        assert re.search(rf"\b{name}\b", listed)
        assert f"Example: livecount {name}" in " ".join(_help(name).split())


def _help(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "livecount", *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
