"""`gradcheck nest`: functions of the table in every way of differentiating, held against the exact derivatives."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gradcheck.cli.batch import workers_of
from gradcheck.cli.options import APP, Given, command
from gradcheck.cli.output import check_writable, chosen, deliver
from gradcheck.report.reporters import NEST, writer
from gradcheck.settings.table import Place

if TYPE_CHECKING:
    from gradcheck.nest import Row

nester = typer.Typer(**APP)  # type: ignore[arg-type]


# fmt: off
@command(nester, "nest", Place.NEST)
def run_nest(
    given: Given,
    names: Annotated[list[str] | None, typer.Argument(
        metavar="[NAME...]", show_default=False,
        help="Functions of the table, or families (losses, pooling, special, ...); all without a name.")] = None,
) -> None:  # fmt: skip
    """Try functions in every way of differentiating, at ordinary points and where rules go wrong."""
    output = given["output"]
    form = chosen(given["format"], output, "table", NEST)
    check_writable([output])
    if form == "markdown":
        from gradcheck.report.nest_markdown import check_dtype

        check_dtype(given["dtype"][0])
    workers = workers_of(given["workers"]) or os.cpu_count() or 1
    from gradcheck.nest import named, nest

    shown = sys.stderr.isatty()
    progress = _Progress(len(named(names or ())))
    if shown and not names:
        print(f"{progress.count} functions take minutes. {_families()}", file=sys.stderr)
    made = nest(
        names or (), order=given["order"], dtype=given["dtype"][0], workers=workers,
        done=progress.tell if shown else lambda row: row,
    )  # fmt: skip
    if shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    deliver(lambda file: writer(form, NEST)(made, file, given.view), output, form, given.color)
    raise typer.Exit(made.exit)
# fmt: on


def _families() -> str:
    from gradcheck.functions import families

    return f"Name some, or families: {', '.join(families())}"


class _Progress:
    """A line that names the function that is done, on the place of the one before it; the state is how many are."""

    def __init__(self, count: int) -> None:
        self.count, self.done = count, 0

    def tell(self, row: Row) -> None:
        """Name a function that is done."""
        self.done += 1
        text = f"{self.done} of {self.count} · {row.function} · {row.seconds:.1f} s"
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
