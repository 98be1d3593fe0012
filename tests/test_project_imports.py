"""Which file an import reads, what the files are called, and where the helpers of a project go."""

from __future__ import annotations

import ast

from translator.project.helper_module import places
from translator.project.imports import Graph, Tree, components, find_roots, graph, references

Files = dict[str, str]


def linked(
    files: Files, others: tuple[str, ...] = (), name: str = "", above: tuple[str, ...] = ()
) -> tuple[Tree, Graph]:
    tree = Tree(frozenset(files), name, above, find_roots(files, others))
    return tree, graph(tree, {path: references(ast.parse(text)) for path, text in files.items()})


def spelled(files: Files, others: tuple[str, ...] = (), above: tuple[str, ...] = ()) -> dict[str, str]:
    tree, _ = linked(files, others, above[-1] if above else "", above)
    return places(tree, {path: references(ast.parse(text)) for path, text in files.items()}).spelled


PACKAGE = {
    "pkg/__init__.py": "from .models import Net\n",
    "pkg/models/__init__.py": "from .net import *\n",
    "pkg/models/net.py": "from ..utils import scale\n",
    "pkg/utils.py": "",
    "tests/test_net.py": "from pkg.models.net import Net\n",
    "train.py": "from pkg import Net\nimport pkg.utils\n",
}


def test_a_package_with_relative_imports() -> None:
    _, links = linked(PACKAGE)
    assert links.names["pkg/models/net.py"] == "pkg.models.net"
    assert links.names["pkg/models/__init__.py"] == "pkg.models"
    assert links.edges["pkg/models/net.py"] == {"pkg/utils.py"}
    assert links.edges["pkg/__init__.py"] == {"pkg/models/__init__.py"}
    assert links.edges["train.py"] == {"pkg/__init__.py", "pkg/utils.py"}
    assert len(components(links.edges)) == 1


def test_folders_without_an_init_are_packages_where_they_are_imported_from() -> None:
    tree, links = linked(
        {"train.py": "from models.net import Net", "models/net.py": "import utils", "utils.py": "", "models/a/b.py": ""}
    )
    assert tree.namespaces == {"models"}
    assert links.edges["models/net.py"] == {"utils.py"}
    assert links.names["models/net.py"] == "models.net"


def test_a_script_finds_what_lies_beside_it_before_what_lies_at_the_top() -> None:
    _, links = linked({"utils.py": "", "tools/run.py": "import utils", "tools/utils.py": "", "main.py": "import utils"})
    assert links.edges["tools/run.py"] == {"tools/utils.py"}
    assert links.edges["main.py"] == {"utils.py"}
    assert links.aliases == {"tools.run": {"utils": "tools.utils"}}


def test_source_folders_are_roots() -> None:
    files = {"src/p/__init__.py": "", "src/p/a.py": "from p.b import c", "src/p/b.py": "", "tests/t.py": "import p.a"}
    _, links = linked(files, ("pyproject.toml",))
    assert links.names["src/p/a.py"] == "p.a"
    assert links.edges["src/p/a.py"] == {"src/p/__init__.py", "src/p/b.py"}
    assert links.edges["tests/t.py"] == {"src/p/__init__.py", "src/p/a.py"}


def test_the_project_folder_may_be_a_package_itself() -> None:
    files = {"__init__.py": "", "a.py": "import proj.sub.c", "sub/__init__.py": "", "sub/c.py": "from ..a import q"}
    _, links = linked(files, (), "proj", ("proj",))
    assert links.names["sub/c.py"] == "proj.sub.c"
    assert links.edges["a.py"] == {"__init__.py", "sub/__init__.py", "sub/c.py"}
    assert links.edges["sub/c.py"] == {"a.py"}


def test_files_of_one_name_stay_apart() -> None:
    _, links = linked({"p/__init__.py": "", "src/p/__init__.py": "", "p/a.py": "", "src/p/a.py": ""})
    assert len(set(links.names.values())) == 4


def test_programs_that_do_not_import_each_other_are_apart() -> None:
    _, links = linked({"a.py": "import b", "b.py": "", "c.py": "import torch", "d/e.py": "import f", "d/f.py": ""})
    assert components(links.edges) == [("a.py", "b.py"), ("c.py",), ("d/e.py", "d/f.py")]


def test_helpers_of_a_project_that_is_one_package_are_inside_of_it() -> None:
    names = spelled(PACKAGE)
    assert names["pkg/__init__.py"] == ".xlate_helpers"
    assert names["pkg/models/net.py"] == "..xlate_helpers"
    assert names["train.py"] == names["tests/test_net.py"] == "pkg.xlate_helpers"


def test_helpers_of_modules_that_lie_side_by_side_lie_there_too() -> None:
    names = spelled({"train.py": "import nets.a", "nets/__init__.py": "", "nets/a.py": "import util", "util.py": ""})
    assert set(names.values()) == {"xlate_helpers"}


def test_absolute_imports_stay_absolute() -> None:
    names = spelled({"p/__init__.py": "", "p/a.py": "from p.b import c", "p/b.py": "", "tests/t.py": "import p"})
    assert names["p/a.py"] == names["tests/t.py"] == "p.xlate_helpers"
    assert spelled({"__init__.py": "", "s/__init__.py": "", "s/a.py": ""}, (), ("q",))["s/a.py"] == "..xlate_helpers"
