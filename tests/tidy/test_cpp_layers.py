# SPDX-License-Identifier: MIT
"""Which C++ layer may include what (docs/architecture.md), read off the #include lines."""

import re

import pytest

from project_tree import ROOT, cpp_code, cpp_layers, files, matches, report, text

VALUE_HEADERS = {"status.h", "types.h", "options.h", "progress.h", "cpu.h"}
API_HEADERS = {"database.h", "index.h", "maintenance.h", "vector_files.h"}

# layer: (layers it may include besides itself, public headers besides the value headers)
EDGES = {
    "base": (set(), set()),
    "io": ({"base"}, set()),
    "kernels": ({"base"}, set()),
    "quant": ({"base", "kernels"}, set()),
    "ann": ({"base", "kernels", "quant"}, set()),
    "storage": ({"base", "io"}, {"vector_files.h"}),
    "engine": ({"base", "io", "kernels", "quant", "ann", "storage"}, API_HEADERS),
}

# Outside libraries, each with the one place that may include it.
LIBRARIES = {
    r"xsimd/|[a-z]*intrin\.h|arm_neon\.h": ("cpp/src/kernels/",),
    r"pybind11/|Python\.h|numpy/": ("cpp/bindings/",),
    r"simdjson": ("cpp/src/storage/",),
    r"tsl/": ("cpp/src/engine/", "cpp/src/storage/"),
    r"xxhash": ("cpp/src/base/",),
}
# What needs the system's files; memory straight from the system is base/buffer's business.
FILE_HEADERS = r"fstream|filesystem|cstdio|stdio\.h|fcntl\.h|dirent\.h|sys/(stat|mman|file|uio)\.h"
FILE_CALLS = (
    r"std::(filesystem|[io]?fstream|FILE|fopen|remove|rename|tmpfile)\b"
    r"|(?<![\w>])::(open|openat|creat|read|write|pread|pwrite|mmap|munmap|madvise|unlink|unlinkat"
    r"|rename|renameat|fopen|truncate|ftruncate|fsync|fdatasync|mkdir|rmdir|opendir|stat|fstat"
    r"|lstat|flock|fcntl|access)\s*\("
)
MEMORY_FILES = {"cpp/src/base/buffer.cpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def includes(name: str) -> list[tuple[str, str]]:
    return INCLUDE.findall(text(name))


def layer_of(name: str) -> str:
    return name.split("/")[2]


def test_every_layer_has_its_edges():
    assert set(cpp_layers()) == set(EDGES)


@pytest.mark.parametrize("layer", EDGES)
def test_a_layer_includes_only_lower_layers(layer):
    below, public = EDGES[layer]
    problems = []
    for name in files(".h", ".cpp"):
        if not name.startswith(f"cpp/src/{layer}/"):
            continue
        for quote, target in includes(name):
            folder, _, header = target.partition("/")
            if folder == "springg":
                allowed = header in VALUE_HEADERS | public
            else:
                allowed = quote == "<" or folder in below | {layer}
            if not allowed:
                problems.append(f"{name} includes {target}")
    assert not problems, report(problems)


def test_public_headers_include_only_each_other():
    problems = [
        f"{name} includes {target}"
        for name in files(".h")
        if name.startswith("cpp/include/")
        for quote, target in includes(name)
        if quote == '"' and not target.startswith("springg/")
    ]
    assert not problems, report(problems)


def test_value_headers_know_no_other_public_header():
    problems = [
        f"{header} includes {target}"
        for header in sorted(VALUE_HEADERS)
        for _, target in includes(f"cpp/include/springg/{header}")
        if target.removeprefix("springg/") in API_HEADERS
    ]
    assert not problems, report(problems)


def test_bindings_see_public_headers_alone():
    own = {name.rsplit("/", 1)[1] for name in files(".h") if name.startswith("cpp/bindings/")}
    problems = [
        f"{name} includes {target}"
        for name in files(".h", ".cpp")
        if name.startswith("cpp/bindings/")
        for quote, target in includes(name)
        if quote == '"' and target not in own and not target.startswith("springg/")
    ]
    assert not problems, report(problems)


def source_folders(cmake: str, *visibilities: str) -> list[str]:
    """Folders of cpp/src that a CMake file adds to include paths of these visibilities."""
    found = []
    for call in re.findall(r"include_directories\(([^)]*)\)", re.sub(r"#.*", "", cmake)):
        visibility = "PUBLIC"  # of include_directories(), which names none
        for word in call.split():
            if word in ("PUBLIC", "INTERFACE", "PRIVATE"):
                visibility = word
            elif visibility in visibilities and re.search(r"\bsrc\b", word):
                found.append(word)
    return found


def test_bindings_link_nothing_that_shows_them_more():
    cmake = text("cpp/bindings/CMakeLists.txt")
    assert re.findall(r"target_link_libraries\(_core \w+ ([^)]*)\)", cmake) == ["springg_engine"]
    assert source_folders(cmake, "PUBLIC", "INTERFACE", "PRIVATE") == []
    # What they link shows them its public folders, and those of what it links.
    problems = [
        f"{name} shows {folder}"
        for name in ("CMakeLists.txt", "cpp/CMakeLists.txt", *files(".cmake"))
        for folder in source_folders(text(name), "PUBLIC", "INTERFACE")
    ]
    assert not problems, report(problems)


@pytest.mark.parametrize(
    ("cmake", "expected"),
    [
        ("target_include_directories(x PUBLIC include src)", ["src"]),
        ("target_include_directories(x PUBLIC include PRIVATE src)", []),
        (
            "target_include_directories(x INTERFACE\n  ${CMAKE_SOURCE_DIR}/cpp/src)  # why",
            ["${CMAKE_SOURCE_DIR}/cpp/src"],
        ),
        ("include_directories(../src/base)", ["../src/base"]),
        ("# include_directories(src)", []),
    ],
)
def test_source_folders_are_found_in_cmake(cmake, expected):
    assert source_folders(cmake, "PUBLIC", "INTERFACE") == expected


@pytest.mark.parametrize("pattern", LIBRARIES)
def test_each_outside_library_has_one_door(pattern):
    doors = LIBRARIES[pattern]
    problems = [
        f"{name} includes {target}"
        for name in files(".h", ".cpp")
        if name.startswith("cpp/") and not name.startswith(doors)
        for _, target in includes(name)
        if re.match(pattern, target)
    ]
    assert not problems, report(problems)


def test_only_io_uses_files():
    problems = []
    for name in files(".h", ".cpp"):
        if not name.startswith("cpp/") or name.startswith("cpp/src/io/") or name in MEMORY_FILES:
            continue
        problems += [
            f"{name} includes {target}"
            for _, target in includes(name)
            if re.fullmatch(FILE_HEADERS, target)
        ]
        problems += matches(FILE_CALLS, cpp_code(text(name)), name)
    assert not problems, report(problems)


def test_exceptions_to_the_file_rule_are_still_needed():
    for name in MEMORY_FILES:
        assert (ROOT / name).is_file()
        assert matches(FILE_CALLS, cpp_code(text(name)), name), f"{name} needs no exception now"


def test_the_library_never_prints_nor_ends_its_process():
    banned = (
        r"std::(cout|cerr|clog|abort|exit|terminate|quick_exit)\b"
        r"|\b(printf|fprintf|puts|fputs|abort|_exit)\s*\("
    )
    problems = [
        problem
        for name in files(".h", ".cpp")
        if name.startswith(("cpp/src/", "cpp/include/", "cpp/bindings/"))
        for problem in matches(banned, cpp_code(text(name)), name)
    ]
    assert not problems, report(problems)


# Random names are exempt: base::Uuid::random() asks the system for those of files, indexes and
# stores, and for the stand-in ids of deleted rows. No answer depends on them, so that a run replays
# under other names.
def test_randomness_and_the_wall_clock_are_passed_in():
    banned = r"std::random_device|\b(rand|srand)\s*\(|\bsystem_clock::now"
    problems = [
        problem
        for name in files(".h", ".cpp")
        if name.startswith("cpp/src/") and layer_of(name) != "base"
        for problem in matches(banned, cpp_code(text(name)), name)
    ]
    assert not problems, report(problems)
