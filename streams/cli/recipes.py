"""`darkroom recipes`: what is made of an upload, before anything is published. Needs no server.

``explain`` prints the plan for a file, ``preview`` carries it out; both have the file parsed where a worker has it
parsed, in contained children (``streams.cli.recipes_try``).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from processors.fingerprint import fingerprint
from processors.plan import make_plan
from processors.recipe_file import RecipeError, load_folder, load_recipe
from schemas.events import Attributes, FocusPoint
from streams.cli.failures import CommandError, Exit, usage
from streams.cli.recipes_preview import write_preview
from streams.cli.recipes_try import inspected, tried
from streams.cli.shared import ConfigOption, JsonOption, emit, out, settings_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processors.recipe import Recipe, VariantSpec

app = typer.Typer(
    no_args_is_help=True,
    help="List, show, lint, explain or preview recipes. A recipe is a TOML file that names the variants of an image.",
    epilog="Examples: darkroom recipes show web · darkroom recipes lint my-recipes/ · "
    "darkroom recipes explain web photo.jpg · darkroom recipes preview web photo.jpg",
)
FocusOption = Annotated[str | None, typer.Option("--focus", metavar="X,Y", help="Focus point, as fractions.")]


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the recipes that workers with this configuration know."""
    settings = settings_from(config)
    for recipe in _recipes(settings.recipes.folder).values():
        names = [variant.name for variant in recipe.variants]
        if as_json:
            emit(_facts(recipe))
        else:
            mark = " (default)" if recipe.name == settings.recipes.default else ""
            out().print(f"[bold]{recipe.name}[/]{mark}: {', '.join(names)}\n    {recipe.description}")


@app.command()
def show(name: str, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show a recipe's variants and its fingerprint (which is part of every object key it makes)."""
    recipe = _named(_recipes(settings_from(config).recipes.folder), name)
    if as_json:
        emit({**_facts(recipe), "variants": [_variant(variant) for variant in recipe.variants]})
        return
    from rich.table import Table  # noqa: PLC0415  only this verb draws

    table = Table("variant", "format", "size", "fit", "gravity", "quality", "effort", box=None, pad_edge=False)
    for spec in recipe.variants:
        size = f"{spec.width or '·'} x {spec.height or '·'}"
        quality = "lossless" if spec.quality is None else str(spec.quality)
        table.add_row(spec.name, spec.format, size, spec.fit, spec.gravity, quality, str(spec.effort))
    out().print(f"[bold]{recipe.name}[/]: {recipe.description}\nfingerprint {fingerprint(recipe, Attributes())}\n")
    out().print(table)


@app.command()
def lint(paths: Annotated[list[Path], typer.Argument(metavar="PATH...")]) -> None:
    """Check recipe files or folders of them; each mistake with file, line, key, value and what is allowed."""
    files = [file for path in paths for file in (sorted(path.glob("*.toml")) if path.is_dir() else [path])]
    if not files:
        raise usage(f"no .toml file in {', '.join(str(path) for path in paths)}")
    problems: list[str] = []
    for file in files:
        try:
            load_recipe(file)
        except RecipeError as error:
            problems += [str(problem) for problem in error.problems]
        except OSError as error:
            problems.append(f"{file}: {error.strerror}")
    if problems:
        raise CommandError(Exit.FAILED, f"{len(problems)} mistakes:", *problems)
    out().print(f"{len(files)} recipe{'s' if len(files) > 1 else ''} in order")


@app.command()
def explain(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name, or its TOML file.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="An image.")],
    focus: FocusOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a recipe's variants would be made of an image: the decode, what feeds what, sizes and crops."""
    settings = settings_from(config)
    named = _file_or_named(recipe, settings.recipes.folder)
    attributes = Attributes(focus=_focus(focus))
    facts = inspected(settings, file)
    plan = make_plan(facts, named, attributes).describe()
    if as_json:
        emit({"facts": asdict(facts), "plan": plan.splitlines(), "recipe": named.name})
        return
    size = f"{facts.width} x {facts.height}"
    out().print(
        f"source   {facts.format} {size}, {facts.colour_space}, {facts.frames} frame(s)\n{plan}", highlight=False
    )


@app.command()
def preview(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name, or its TOML file.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="An image.")],
    folder: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where the variants and sheet.html go.")
    ] = Path("preview"),
    focus: FocusOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a recipe's variants of an image here and now, with a contact sheet; nothing is published or uploaded."""
    settings = settings_from(config)
    named = _file_or_named(recipe, settings.recipes.folder)
    facts, rendered = tried(settings, file, named, Attributes(focus=_focus(focus)))
    for written in write_preview(folder, file, named, facts, rendered):
        if as_json:
            emit(written)
        else:
            size = f"{written['width']} x {written['height']}"
            missed = f", {written['missed']} not reached" if written["missed"] else ""
            out().print(f"{written['file']}: {size}, {written['bytes']} bytes{missed}", highlight=False)
    if not as_json:
        out().print(f"{folder / 'sheet.html'}: the contact sheet", highlight=False)


def _focus(text: str | None) -> FocusPoint | None:
    if text is None:
        return None
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise usage(f"--focus {text}: write X,Y as fractions, for example 0.3,0.5") from error
    return FocusPoint(x, y)


def _file_or_named(text: str, folder: Path | None) -> Recipe:
    if not text.endswith(".toml"):
        return _named(_recipes(folder), text)
    try:
        return load_recipe(Path(text))
    except RecipeError as error:
        raise usage(f"mistakes in {text}:", *(str(problem) for problem in error.problems)) from error
    except OSError as error:
        raise usage(f"{text}: {error.strerror}") from error


def _recipes(folder: Path | None) -> Mapping[str, Recipe]:
    try:
        return load_folder(folder)
    except RecipeError as error:
        lines = [str(problem) for problem in error.problems]
        raise usage(f"{len(lines)} mistakes in recipes (recipes.folder):", *lines) from error
    except OSError as error:
        raise usage(f"recipes.folder {folder}: {error.strerror}") from error


def _named(recipes: Mapping[str, Recipe], name: str) -> Recipe:
    if name not in recipes:
        raise usage(f"no recipe {name!r}; there are {', '.join(recipes)}")
    return recipes[name]


def _facts(recipe: Recipe) -> dict[str, object]:
    return {
        "name": recipe.name,
        "description": recipe.description,
        "fingerprint": fingerprint(recipe, Attributes()),
        "variants": [variant.name for variant in recipe.variants],
    }


def _variant(spec: VariantSpec) -> dict[str, object]:
    return {field: getattr(spec, field) for field in spec.__dataclass_fields__}
