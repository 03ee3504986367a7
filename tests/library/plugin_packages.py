# SPDX-License-Identifier: MIT
"""Packages that the plug-ins are installed into: the real ones, or stand-ins of their interfaces.

A stand-in has what the plug-ins import and the runners call, and nothing else.
"""

import importlib.util
import pathlib
import shutil
import textwrap

PLUGINS = pathlib.Path(__file__).parents[2] / "benchmarks/plugins"

ANN_BENCHMARKS = {
    "algorithms/base/module.py": """
        class BaseANN:
            def done(self): pass
            def get_memory_usage(self): return 0.0
            def get_batch_results(self): return self.res
            def get_additional(self): return {}
            def __str__(self): return self.name
    """
}

VECTORDB_BENCH = {
    "backend/filter.py": """
        from enum import StrEnum
        from pydantic import BaseModel

        class FilterOp(StrEnum):
            NumGE = "NumGE"
            StrEqual = "Label"
            NonFilter = "NonFilter"

        class Filter(BaseModel):
            type: FilterOp

        class NewIntFilter(Filter):
            type: FilterOp = FilterOp.NumGE
            filter_rate: float = 0.0
            int_value: int

        class LabelFilter(Filter):
            type: FilterOp = FilterOp.StrEqual
            label_percentage: float

            @property
            def label_value(self):
                return f"label_{int(self.label_percentage * 100)}p"

        non_filter = Filter(type=FilterOp.NonFilter)
    """,
    "backend/payload.py": """
        from enum import StrEnum

        class PayloadProfile(StrEnum):
            IDS_ONLY = "ids_only"
    """,
    "backend/clients/api.py": """
        from abc import ABC, abstractmethod
        from enum import StrEnum
        from pydantic import BaseModel

        class MetricType(StrEnum):
            L2 = "L2"
            COSINE = "COSINE"
            IP = "IP"
            DP = "DP"
            HAMMING = "HAMMING"

        class DBConfig(ABC, BaseModel):
            db_label: str = ""

            @abstractmethod
            def to_dict(self): ...

        class DBCaseConfig(ABC):
            @abstractmethod
            def index_param(self): ...

            @abstractmethod
            def search_param(self): ...

        class VectorDB(ABC):
            @classmethod
            def filter_supported(cls, filters):
                return filters.type in cls.supported_filter_types

            @abstractmethod
            def init(self): ...

            @abstractmethod
            def insert_embeddings(self, embeddings, metadata, labels_data=None): ...

            @abstractmethod
            def search_embedding(self, query, k=100): ...

            @abstractmethod
            def optimize(self, data_size=None): ...
    """,
    "backend/clients/__init__.py": '''
        from enum import Enum
        from .api import DBCaseConfig, DBConfig, VectorDB

        class DB(Enum):
            """Databases"""

            Other = "other"

            @property
            def init_cls(self) -> type[VectorDB]:  # noqa: C901
                """Import while in use"""
                raise LookupError(self)

            @property
            def config_cls(self) -> type[DBConfig]:
                """Import while in use"""
                raise LookupError(self)

            def case_config_cls(
                self,
                index_type: str | None = None,
            ) -> type[DBCaseConfig]:
                raise LookupError(self)
    ''',
    "cli/cli.py": "cli = None",
    "cli/vectordbbench.py": """
        from .cli import cli

        if __name__ == "__main__":
            cli()
    """,
}


def package(folder, name, modules):
    """A package of that name in a folder: a copy of the installed one, or the stand-in."""
    target = folder / name
    found = importlib.util.find_spec(name)
    if found is not None and found.origin is not None:
        shutil.copytree(pathlib.Path(found.origin).parent, target)
        return target
    for path, source in modules.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(source))
    for part in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        (part / "__init__.py").touch()
    return target


def ann_benchmarks(folder):
    """ann-benchmarks with springg among its algorithms, as the README beside the plug-in says."""
    target = package(folder, "ann_benchmarks", ANN_BENCHMARKS)
    shutil.copytree(PLUGINS / "ann_benchmarks", target / "algorithms/springg", dirs_exist_ok=True)
    return target


def vectordb_bench(folder):
    """VectorDBBench, without springg yet."""
    return package(folder, "vectordb_bench", VECTORDB_BENCH)
