"""The `recap-train` command."""

import sys
import threading
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import BaseModel
from typer.core import TyperGroup

from model.streams import open_closed_streams, told


class Commands(TyperGroup):
    """The commands; the error for an unknown one points to `train`, and no error of the disk is left to click."""

    def invoke(self, ctx: Any) -> Any:
        from training.errors import TrainingError

        try:
            return super().invoke(ctx)
        except OSError as error:
            raise TrainingError(told(error)) from error

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is None:
            ctx.fail(f"No such command {cmd_name!r}. Every recipe is trained by: recap-train train --config FILE")
        return command


Settings = TypeVar("Settings", bound=BaseModel)

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train and score Recap's models.",
)

lab = typer.Typer(no_args_is_help=True, help="Small studies of recurrent networks: what they can learn, and why.")
app.add_typer(lab, name="lab")

Config = Annotated[Path, typer.Option("--config", help="Recipe, in TOML; see configs/.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Overrides section.key of the recipe.")
]


@app.command()
def train(
    config: Config,
    set_: Set = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run of this recipe stopped.")] = False,
) -> None:
    """Train a model by a recipe, and write its checkpoint, figures and card."""
    from training.files import make_folder
    from training.publish import publish
    from training.tasks import TASKS, read_recipe
    from training.trainer import Trainer

    recipe = read_recipe(config, set_ or ())
    make_folder(recipe.output)  # now: what can't be written shows before the work is done
    trainer = Trainer(recipe, TASKS[recipe.task].objectives[recipe.objective].build, resume=resume)
    if not trainer.run():
        typer.echo("stopped; go on with --resume", err=True)
        raise typer.Exit(130)
    if trainer.accelerator.is_main_process:
        at = trainer.progress
        checkpoint = publish(recipe, trainer.best(), seconds=at.seconds, start_score=at.start_score)
        first = checkpoint.metrics["figures"][0]
        before = "" if at.start_score is None else f", {at.start_score:.4f} before"
        typer.echo(f"{checkpoint.path}: {first['label']} {first['value']:.4f} on dev{before}")


@app.command()
def evaluate(
    checkpoint: Annotated[
        list[Path], typer.Option(help="Checkpoint folder. (captioning) Several: their probabilities are averaged.")
    ],
    data: Annotated[Path, typer.Option(help="Data set: a folder; of a language model, its text.")],
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "dev",
    beam_size: Annotated[
        int | None, typer.Option(min=1, max=10, help="(captioning) Default: the checkpoint's own.")
    ] = None,
    neutral: Annotated[
        bool, typer.Option(help="(captioning) Caption without guessing at gender or the colour of skin.")
    ] = False,
    captions: Annotated[
        Path | None,
        typer.Option(help="(captioning) Write file, caption, confidence and references there, a line each."),
    ] = None,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the scores there; - is standard output.")] = None,
) -> None:
    """Score a checkpoint: captions with BLEU, METEOR, ROUGE-L and CIDEr, text in nats and bits per character."""
    from training.evaluate import evaluate, write_json
    from training.files import make_folder

    if json_ and str(json_) != "-":
        make_folder(json_)  # now: what can't be written shows before the work is done
    found = evaluate(checkpoint, data, split, beam_size=beam_size, neutral=neutral, captions_path=captions)
    for note in found.report.get("notes", ()):
        typer.echo(note, err=True)
    if json_:
        write_json(found.report, json_)
    else:
        width = max(10, *map(len, found.report))
        for name, value in found.report.items():
            if name != "notes":
                typer.echo(f"{name:{width}} {value:.4f}" if isinstance(value, float) else f"{name:{width}} {value}")


@app.command()
def recipes(folder: Annotated[Path, typer.Argument(help="Folder of recipes.")] = Path("configs")) -> None:
    """List recipes with their task, their objective and the figures of their checkpoint."""
    from model.checkpoint import Checkpoint, CheckpointError
    from model.figures import figures_of
    from training.tasks import read_recipe

    rows = [("recipe", "task", "objective", "figures")]
    for path in sorted(folder.glob("*/*.toml")):
        recipe = read_recipe(path)
        try:
            found = figures_of(Checkpoint.open(recipe.output).metrics)[:3]
        except CheckpointError:
            found = []  # not trained here
        shown = ", ".join(f"{figure.label} {figure.value:.3f}" for figure in found)
        rows.append((str(path), recipe.task, recipe.objective, shown))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def features(config: Config, set_: Set = None) -> None:
    """Compute and cache the frozen encoder's features of the train and dev pictures."""
    from accelerate import Accelerator

    from training.tasks.captioning.backbone import pretrained_encoder
    from training.tasks.captioning.features import prepare_features
    from training.tasks.captioning.readers import open_dataset
    from training.tasks.captioning.recipe import CrossEntropyRecipe

    recipe = CrossEntropyRecipe.read(config, set_ or ())
    encoder = pretrained_encoder(recipe.encoder, recipe.features.weights)
    data = open_dataset(recipe.data.path)
    caches = prepare_features(recipe.features, recipe.encoder, data, encoder, Accelerator())
    for split, cache in caches.items():
        pictures, views, positions, size = cache.grids.shape
        typer.echo(f"{split}: {pictures} pictures x {views} views, {positions} positions x {size} features")


@app.command()
def calibrate(
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint folder; its config.json and metrics.json change.")],
    data: Annotated[
        list[Path], typer.Option(help="Data set folder, whose dev split decides; can be given several times.")
    ],
) -> None:
    """Make a captioner's confidence say how likely its captions are good."""
    from training.tasks.captioning.score import calibrate_checkpoint

    figures = calibrate_checkpoint(checkpoint, data)
    rows = figures.pop("selection")
    for name, value in figures.items():
        typer.echo(f"{name:20} {value:.4f}")
    for row in rows:
        typer.echo(f"at least {row['least']:.1f}: {row['kept']:.0%} are kept, of which {row['good']:.0%} are good")


@lab.command()
def cells(
    checkpoint: Annotated[
        Path, typer.Option(help="Checkpoint folder of a language model; cells.json is written into it.")
    ],
    data: Annotated[Path, typer.Option(help="Its text, whose dev part is read.")],
    out: Annotated[Path, typer.Option(help="Folder of the tables, the figures and the summary.")] = Path("runs/cells"),
    tokens: Annotated[
        int, typer.Option(min=2, help="Most tokens to read: half of them choose, and the other half report.")
    ] = 200_000,
) -> None:
    """Find the cells of a language model that one can read, and how often gates are shut or open."""
    from model.checkpoint import Checkpoint
    from model.tasks.text import TEXT
    from training.files import make_folder
    from training.lab.cells import search, store, summary, write

    make_folder(out / "summary.md")  # now: what can't be written shows before the work is done
    opened = Checkpoint.open(checkpoint).expect(TEXT)
    findings = search(opened, data, tokens)
    paths = write(findings, out)
    store(opened, findings.readable)
    typer.echo("\n".join([summary(findings), *map(str, paths), str(checkpoint / "cells.json")]))


@app.command()
def backtest(
    config: Config,
    set_: Set = None,
    first: Annotated[int | None, typer.Option("--from", help="First year; default: that of the recipe's test.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the backtest of this recipe stopped.")] = False,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the scores there; - is standard output.")] = None,
) -> None:
    """Train a forecaster for each year on the years before it, and score all of them beside baselines."""
    from training.evaluate import write_json
    from training.files import make_folder
    from training.tasks.forecasting import backtest as walk
    from training.tasks.forecasting.comparison import table
    from training.tasks.forecasting.recipe import LikelihoodRecipe
    from training.tasks.forecasting.score import compared

    recipe = LikelihoodRecipe.read(config, set_ or ())
    if json_ and str(json_) != "-":
        make_folder(json_)  # now: what can't be written shows before the work is done
    results = walk.backtest(recipe, first, resume=resume)
    if results is None:
        typer.echo("stopped; go on with --resume", err=True)
        raise typer.Exit(130)
    report = walk.report(recipe, results)
    for note in report["notes"]:
        typer.echo(note, err=True)
    if json_:
        write_json(report, json_)
    else:
        typer.echo(table(compared(results)))
        shares = {name: value for name, value in report.items() if "coverage" in name or "ratio" in name}
        typer.echo("\n".join(f"{name} {value:.4f}" for name, value in shares.items()))


@lab.command()
def gradients(
    out: Annotated[Path, typer.Option(help="Folder of the table, the figure and the summary.")] = Path(
        "runs/gradients"
    ),
    cell: Annotated[list[str] | None, typer.Option(help="May be repeated; default: rnn, lstm, gru.")] = None,
    length: Annotated[list[int] | None, typer.Option(help="May be repeated; default: 10, 20, 50, 100.")] = None,
    hidden_size: Annotated[int, typer.Option(min=1)] = 64,
    steps: Annotated[int, typer.Option(min=1, help="Most training steps at a length.")] = 2000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Measure how far back gradients reach in each cell, before and after training on the adding problem."""
    from training.lab.gradients import Study, run, summary, write

    values = {"cells": cell, "lengths": length, "hidden_size": hidden_size, "steps": steps, "seed": seed}
    study = _study(Study, values)
    outcomes = run(study)
    paths = write(outcomes, out)
    typer.echo("\n".join([summary(outcomes), *map(str, paths)]))


@lab.command()
def hello(seed: Annotated[int, typer.Option(min=0)] = 1) -> None:
    """Teach three hidden neurons to spell hello, and show what they compute at each step."""
    from training.lab.hello import figure, spell, train

    network, loss = train(seed=seed)
    typer.echo("\n".join(figure(network)))
    typer.echo(f"\nloss {loss:.4f} nats per letter; from {spell(network)[0]!r} it spells {spell(network)}")


@lab.command()
def odyssey(
    data: Annotated[Path, typer.Option(help="Folder that holds the data sets jsb, an4 and omniglot.")],
    out: Annotated[Path, typer.Option(help="Folder of the database, tables, pictures and page.")] = Path(
        "runs/odyssey"
    ),
    task: Annotated[list[str] | None, typer.Option(help="May be repeated; default: all three.")] = None,
    cell: Annotated[
        list[str] | None, typer.Option(help="May be repeated; default: vanilla, eight variants, gru, rnn.")
    ] = None,
    trials: Annotated[int, typer.Option(min=2, help="Trials of each cell on each task; more may be added later.")] = 40,
    epochs: Annotated[int | None, typer.Option(min=1, help="Most epochs of a trial; default: the task's.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    report: Annotated[
        bool, typer.Option("--report", help="Train nothing; report on the trials that are there.")
    ] = False,
) -> None:
    """Compare the LSTM with its variants, after Greff et al.: a random search on three tasks, and tests.

    Runs on one thread: started several times, it shares the work. Stopped in any way, it goes on when started again.
    """
    from training.lab.odyssey.report import report as write
    from training.lab.odyssey.search import Study
    from training.lab.odyssey.sweep import finished, run

    values = {"tasks": task, "cells": cell, "trials": trials, "epochs": epochs, "seed": seed}
    study = _study(Study, values)
    if not report and not run(study, data, out):
        typer.echo("the rest is done by other processes; the last one writes the report", err=True)
        return
    paths = write(finished(study, out), out)
    typer.echo("\n".join([paths[-1].read_text(encoding="utf-8"), *map(str, paths)]))


@lab.command()
def truncation(
    out: Annotated[Path, typer.Option(help="Folder of the table, the figure and the summary.")] = Path(
        "runs/truncation"
    ),
    cell: Annotated[str, typer.Option(help="A cell of model/cells.py.")] = "lstm",
    range_: Annotated[int, typer.Option("--range", min=1, help="Steps between a symbol and its copy.")] = 5,
    k1: Annotated[list[int] | None, typer.Option(help="May be repeated; default: 1, 5, 10, 20.")] = None,
    k2: Annotated[list[int] | None, typer.Option(help="May be repeated; default: 1, 3, 5, 6, 10, 20.")] = None,
    sequences: Annotated[int, typer.Option(min=1, help="Batches to learn from.")] = 40,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Measure loss and time of truncated backpropagation against k1 and k2, on a task whose range is known."""
    from training.lab.truncation import Study, run, summary, write

    values = {"cell": cell, "range": range_, "k1": k1, "k2": k2, "sequences": sequences, "seed": seed}
    study = _study(Study, values)
    if not study.pairs:
        raise typer.BadParameter("every k2 is less than every k1; a gradient goes back over its own steps at least")
    outcomes = run(study)
    paths = write(study, outcomes, out)
    typer.echo("\n".join([summary(study, outcomes), *map(str, paths)]))


def _study(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """A study of these settings, None being the default; what is wrong is the command line's fault."""
    from pydantic import ValidationError

    try:
        return kind.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        problems = [f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors()]
        raise typer.BadParameter("; ".join(problems)) from error


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """Tells what the disk refuses TensorBoard's thread in a line, too; the next entry of the log will end the run."""
    if isinstance(failure.exc_value, OSError):
        typer.echo(f"recap-train: the log can't be written: {told(failure.exc_value)}", err=True)
    else:
        threading.__excepthook__(failure)


def main() -> NoReturn:
    """Runs the command; reports errors that the user can mend in one line."""
    from training.errors import TrainingError

    open_closed_streams()
    threading.excepthook = _thread_failed
    try:
        app()
    except Exception as error:
        from model.checkpoint import CheckpointError  # here, since --help needs no torch

        if not isinstance(error, TrainingError | CheckpointError | FloatingPointError | ValueError):
            raise
        typer.echo(f"recap-train: {error}", err=True)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":  # `accelerate launch -m training.cli` comes here
    main()
