"""Writes what the documents take from the code: settings, metrics, and commands with their options.

python docs/generate.py          writes docs/operations.md and docs/commands.md anew, where they differ
"""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import typer

from app.cli import cli as recap
from app.serving import metrics
from app.settings import PREFIX, Settings
from training.cli import app as training

DOCS = Path(__file__).resolve().parent
SETTINGS = re.compile(r"<!-- settings: (.*?) -->\n.*?<!-- end -->", re.DOTALL)
"""A group of settings by their names, and the table that stands for it."""
METRICS = re.compile(r"<!-- metrics -->\n.*?<!-- end -->", re.DOTALL)


def operations(page: str) -> str:
    """The operations page, with its settings as `Settings` has them, and its metrics as `Metrics` has them.

    Raises:
        ValueError: a setting is in none of the tables, or in several, or there is none of that name.
    """
    placed: list[str] = []

    def table(found: re.Match[str]) -> str:
        names = found[1].split()
        placed.extend(names)
        return f"<!-- settings: {found[1]} -->\n\n{settings_table(names)}\n\n<!-- end -->"

    page = METRICS.sub(lambda _: f"<!-- metrics -->\n\n{metrics_table()}\n\n<!-- end -->", page)
    page = SETTINGS.sub(table, page)
    missing, extra = Settings.model_fields.keys() - set(placed), [n for n in placed if placed.count(n) > 1]
    if missing or extra:
        wrong = ", ".join(sorted(missing) or sorted(set(extra)))
        raise ValueError(f"docs/operations.md: each setting belongs into one `<!-- settings: ... -->`: {wrong}")
    return page


def settings_table(names: list[str]) -> str:
    """A row for each setting: its variable, default and meaning."""
    rows = ["| variable | default | what |", "|---|---|---|"]
    for name in names:
        if name not in Settings.model_fields:
            raise ValueError(f"docs/operations.md: {name}: no such setting")
        field = Settings.model_fields[name]
        default = {None: "unset", (): "none"}.get(field.default, f"`{field.default}`")
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(rows)


def metrics_table() -> str:
    """A row for each metric: its name, type, labels and meaning, from the calls that make it."""
    rows = ["| metric | type | labels | what |", "|---|---|---|---|"]
    for node in ast.walk(ast.parse(inspect.getsource(metrics))):
        match node:
            case ast.Call(func=ast.Name(id="counter" | "gauge" | "histogram" as kind), args=[name, text, *labels]):
                named = ", ".join(f"`{label}`" for label in sorted(map(ast.literal_eval, labels)))
                full = f"recap_{ast.literal_eval(name)}{'_total' if kind == 'counter' else ''}"
                rows.append(f"| `{full}` | {kind} | {named} | {ast.literal_eval(text)} |".replace("|  |", "| |"))
    return "\n".join(rows)


def commands() -> str:
    """The page of all commands."""
    sections = [
        "# Commands",
        "Written by `make docs` from the commands themselves; `--help` says the same. `recap` uses and serves models;\n"
        "`recap-train` trains and scores them, and needs the extra `train`.",
    ]
    for name, app in (("recap", recap), ("recap-train", training)):
        sections += described(typer.main.get_command(app), name, depth=2)
    return "\n\n".join(sections) + "\n"


def described(command: Any, path: str, depth: int) -> list[str]:
    """A command's heading, text and options, then those of its sub-commands."""
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", (command.help or "").strip())
    sections = [f"{'#' * depth} {path}", text] if text else [f"{'#' * depth} {path}"]
    children = getattr(command, "commands", None)
    if children is not None:
        for name, child in children.items():
            sections += described(child, f"{path} {name}", depth + 1)
        return sections
    context = command.make_context(path, [], resilient_parsing=True)
    usage = " ".join(
        [path, *(piece.strip("{}").replace("}...", "") for piece in command.collect_usage_pieces(context))]
    )
    sections.append(f"```\n{usage}\n```")
    records = filter(None, (parameter.get_help_record(context) for parameter in command.params))
    rows = [f"| `{escaped(names)}` | {escaped(text)} |" for names, text in records]
    if rows:
        sections.append("\n".join(["| option | what |", "|---|---|", *rows]))
    return sections


def escaped(text: str) -> str:
    """A text in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def pages() -> dict[Path, str]:
    """Each generated page, as it should be."""
    page = DOCS / "operations.md"
    return {page: operations(page.read_text(encoding="utf-8")), DOCS / "commands.md": commands()}


def main() -> None:
    """Writes the pages that differ, and prints their names."""
    for path, text in pages().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
