# SPDX-License-Identifier: MIT
"""The command `vectordbbench springg`."""

from typing import Annotated, Unpack

import click
from vectordb_bench.backend.clients import DB
from vectordb_bench.cli.cli import (
    CommonTypedDict,
    cli,
    click_parameter_decorators_from_typed_dict,
    run,
)


class SpringgTypedDict(CommonTypedDict):  # type: ignore[misc]
    """Its options, beside those that every database has."""

    path: Annotated[
        str, click.option("--path", type=str, required=True, help="directory of the database")
    ]
    durability: Annotated[
        str,
        click.option(
            "--durability",
            type=click.Choice(["disk", "process", "buffered"]),
            default="disk",
            show_default=True,
            help="what a write survives",
        ),
    ]
    m: Annotated[
        int, click.option("--m", type=int, default=16, show_default=True, help="links of a row")
    ]
    ef_construction: Annotated[
        int,
        click.option(
            "--ef-construction",
            type=int,
            default=200,
            show_default=True,
            help="how wide a build searches",
        ),
    ]
    ef_search: Annotated[
        int | None,
        click.option(
            "--ef-search", type=int, default=None, help="how wide a search looks [default: chosen]"
        ),
    ]
    quantization: Annotated[
        str,
        click.option(
            "--quantization",
            type=str,
            default="auto",
            show_default=True,
            help="codes that the graph is walked on: none, int8 or auto",
        ),
    ]


@cli.command()
@click_parameter_decorators_from_typed_dict(SpringgTypedDict)
def Springg(**parameters: Unpack[SpringgTypedDict]) -> None:  # noqa: N802 - the command's name
    """Run a case on springg."""
    from vectordb_bench.backend.clients.springg.config import SpringgConfig, SpringgIndexConfig

    run(
        db=DB.Springg,
        db_config=SpringgConfig(
            db_label=parameters["db_label"],
            path=parameters["path"],
            durability=parameters["durability"],
        ),
        db_case_config=SpringgIndexConfig(
            m=parameters["m"],
            ef_construction=parameters["ef_construction"],
            ef_search=parameters["ef_search"],
            quantization=parameters["quantization"],
        ),
        **parameters,
    )
