"""The `recap-train` command."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from training.trainer import Stage

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Train and score Recap's models."
)

lab = typer.Typer(no_args_is_help=True, help="Small studies of recurrent networks: what they can learn, and why.")
app.add_typer(lab, name="lab")

Config = Annotated[Path, typer.Option("--config", help="Recipe, in TOML; see configs/.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Overrides section.key of the recipe.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the run of this recipe stopped.")]


@app.command()
def features(config: Config, set_: Set = None) -> None:
    """Compute and cache the frozen encoder's features of the train and dev pictures."""
    from accelerate import Accelerator

    from training.recipe import CaptionerRecipe
    from training.tasks.captioning.backbone import pretrained_encoder
    from training.tasks.captioning.frozen import prepare_features
    from training.tasks.captioning.readers import open_dataset

    recipe = CaptionerRecipe.read(config, set_ or ())
    encoder = pretrained_encoder(recipe.encoder, recipe.features.weights)
    data = open_dataset(recipe.data.path)
    caches = prepare_features(recipe.features, recipe.encoder, data, encoder, Accelerator().device)
    for split, cache in caches.items():
        pictures, views, positions, size = cache.grids.shape
        typer.echo(f"{split}: {pictures} pictures x {views} views, {positions} positions x {size} features")


@app.command()
def captioner(config: Config, set_: Set = None, resume: Resume = False) -> None:
    """Train a captioner with cross-entropy and write its checkpoint, figures and card."""
    from training.recipe import CaptionerRecipe
    from training.tasks.captioning.cross_entropy import CaptionerTrainer

    _run(CaptionerTrainer(CaptionerRecipe.read(config, set_ or ()), resume=resume))


@app.command()
def tune(config: Config, set_: Set = None, resume: Resume = False) -> None:
    """Train a captioner's checkpoint further, its encoder with it, and write the new one."""
    from training.recipe import TuningRecipe
    from training.tasks.captioning.tuning import TuningTrainer

    _run(TuningTrainer(TuningRecipe.read(config, set_ or ()), resume=resume))


@app.command()
def selfcritical(config: Config, set_: Set = None, resume: Resume = False) -> None:
    """Train a captioner's checkpoint further on the reward of its own captions, and write the new one."""
    from training.recipe import SelfCriticalRecipe
    from training.tasks.captioning.self_critical import SelfCriticalTrainer

    _run(SelfCriticalTrainer(SelfCriticalRecipe.read(config, set_ or ()), resume=resume))


def _run(trainer: "Stage[Any, Any]") -> None:
    """A stage of a captioner, from its start or where it stopped to its checkpoint."""
    from training.publish import publish_captioner

    if not trainer.run():
        typer.echo("stopped; go on with --resume", err=True)
        raise typer.Exit(130)
    if trainer.accelerator.is_main_process:
        at = trainer.progress
        checkpoint = publish_captioner(trainer.recipe, trainer.best(), seconds=at.seconds, start_score=at.start_score)
        before = "" if at.start_score is None else f", {at.start_score:.4f} before"
        typer.echo(f"{checkpoint.path}: CIDEr {checkpoint.metrics['CIDEr']:.4f} on dev{before}")


@app.command()
def language(
    config: Config,
    set_: Set = None,
    resume: Resume = False,
) -> None:
    """Train a character or word language model and write its checkpoint, figures and card."""
    from training.publish import publish_language_model
    from training.recipe import LanguageRecipe
    from training.tasks.text.objective import LanguageTrainer

    recipe = LanguageRecipe.read(config, set_ or ())
    trainer = LanguageTrainer(recipe, resume=resume)
    if not trainer.run():
        typer.echo("stopped; go on with --resume", err=True)
        raise typer.Exit(130)
    checkpoint = publish_language_model(recipe, trainer.best(), seconds=trainer.progress.seconds)
    figure = checkpoint.metrics["validation"]["nats_per_character"]
    typer.echo(f"{checkpoint.path}: {figure:.4f} nats per character on the validation text")


@app.command()
def evaluate(
    checkpoint: Annotated[
        list[Path], typer.Option(help="Checkpoint folder. Several captioners: their probabilities are averaged.")
    ],
    data: Annotated[Path, typer.Option(help="Data set folder; of a language model, its text.")],
    split: Annotated[
        str | None, typer.Option(help="train, dev or test; train, validation or test of a text. Default: the second.")
    ] = None,
    beam_size: Annotated[int | None, typer.Option(min=1, max=10, help="Default: the checkpoint's own.")] = None,
    neutral: Annotated[bool, typer.Option(help="Caption without guessing at gender or the colour of skin.")] = False,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the scores there; - is standard output.")] = None,
    captions: Annotated[
        Path | None, typer.Option(help="Write file, caption, confidence and references there, a line each.")
    ] = None,
) -> None:
    """Score a captioner with BLEU, METEOR, ROUGE-L and CIDEr, a language model in nats and bits per character."""
    from model.checkpoint import Checkpoint
    from model.tasks.text import TEXT
    from training.evaluate import evaluate, write_json
    from training.run_state import available_device
    from training.tasks.text.score import evaluate_text

    if Checkpoint.open(checkpoint[0]).task is TEXT:
        if len(checkpoint) > 1:
            raise typer.BadParameter("several --checkpoint are for captioners; this is a language model")
        if beam_size or neutral or captions:
            raise typer.BadParameter(
                "--beam-size, --neutral and --captions are for captioners; this is a language model"
            )
        scores = evaluate_text(checkpoint[0], data, split or "validation", device=available_device())
    else:
        scores = evaluate(
            checkpoint,
            data,
            split or "dev",
            beam_size=beam_size,
            neutral=neutral,
            captions_path=captions,
            device=available_device(),
        ).figures
    for note in scores.get("notes", ()):
        typer.echo(note, err=True)
    if json_:
        write_json(scores, json_)
    else:
        width = max(10, *map(len, scores))
        for name, value in scores.items():
            if name != "notes":
                typer.echo(f"{name:{width}} {value:.4f}" if isinstance(value, float) else f"{name:{width}} {value}")


@app.command()
def calibrate(
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint folder; its config.json and metrics.json change.")],
    data: Annotated[Path, typer.Option(help="Data set folder; its dev split decides.")],
) -> None:
    """Make a captioner's confidence say how likely its captions are good."""
    from training.publish import calibrate_checkpoint

    for name, value in calibrate_checkpoint(checkpoint, data).items():
        typer.echo(f"{name:20} {value:.4f}")


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
    from pydantic import ValidationError

    from training.lab.gradients import Study, run, summary, write

    values = {"cells": cell, "lengths": length, "hidden_size": hidden_size, "steps": steps, "seed": seed}
    try:
        study = Study.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        problems = [f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors()]
        raise typer.BadParameter("; ".join(problems)) from error
    outcomes = run(study)
    paths = write(outcomes, out)
    typer.echo(summary(outcomes))
    for path in paths:
        typer.echo(str(path))


@lab.command()
def hello(
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Teach three hidden neurons to spell hello, and show what they compute at each step."""
    from training.lab.hello import figure, spell, train

    network, loss = train(seed=seed)
    typer.echo("\n".join(figure(network)))
    typer.echo(f"\nloss {loss:.4f} nats per letter; from {spell(network)[0]!r} it spells {spell(network)}")


def main() -> NoReturn:
    """Runs the command; what the user can mend is said in one line."""
    from model.checkpoint import CheckpointError
    from training.recipe import RecipeError
    from training.run_state import StateError
    from training.tasks.captioning.backbone import BackboneError
    from training.tasks.captioning.calibration import CalibrationError
    from training.tasks.captioning.metrics import JavaError
    from training.tasks.captioning.readers import DataError

    files = (BackboneError, CheckpointError, DataError, RecipeError, StateError)
    try:
        app()
    except (*files, CalibrationError, FloatingPointError, JavaError, ValueError) as error:
        typer.echo(f"recap-train: {error}", err=True)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":  # what `accelerate launch -m training.cli` runs
    main()
