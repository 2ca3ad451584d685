"""``precog requirements``: what is proven, by which test, and what is open."""

import json
from typing import Annotated

import typer

from precog_core.errors import PrecogError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def requirements(
    as_json: AsJson = False,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are open.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write docs/reference/requirements.md.")
    ] = False,
) -> None:
    """List every requirement with the tests that prove it, as their markers say (in a checkout)."""
    from precog_platform.reference import requirements as reference

    unknown = reference.unknown_markers()
    if unknown:
        raise PrecogError("\n".join(unknown))
    found = reference.requirements()
    if write:
        path = reference.checkout() / reference.PAGE
        path.write_text(reference.page(found), encoding="utf-8")
        typer.echo(f"wrote {path}")
        return
    shown = [r for r in found if r.state == "open"] if only_open else found
    if as_json:
        typer.echo(json.dumps({r.id: r.as_dict() for r in shown}, ensure_ascii=False))
        return
    for requirement in shown:
        proofs = [*requirement.tests, *requirement.measured_by]
        typer.echo(f"{requirement.id:<11}{requirement.state:<9}{requirement.must}")
        for proof in proofs:
            typer.echo(f"{'':<20}{proof}")
    open_ones = sum(r.state == "open" for r in found)
    typer.echo(f"{len(found) - open_ones} of {len(found)} shown, {open_ones} open")
