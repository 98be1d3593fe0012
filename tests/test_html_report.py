"""The HTML report in a real browser: search, filters, folding, deep links, hostile input, thousands of files."""

from __future__ import annotations

import html.parser
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from translator.batch import Outcome
from translator.compare.values import Quantity
from translator.model import ApiUse, Counts, Diagnostic, Edge, InputError, Options, Severity, Status, Translation
from translator.proof.html import page as verified
from translator.proof.judge import Check
from translator.proof.result import FileReport, ModelReport, Report, Spot
from translator.report import document, texts
from translator.reports.html import page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EVIL = "</script><img src=x onerror=\"document.title='owned'\"><!-- \u2028 {{script}} &amp;"
HOSTILE = f"src/{EVIL[:40]}'#-L9%41.py"
SOURCE = "import torch\n\n\ndef f(x):\n    # {n}\n    y = torch.odd(x)\n    return torch.relu(y)\n"
HELPER = "".join(f"def helper_{i}():\n    return {i}\n\n\n" for i in range(10))


def outcome(path: str, source: str, result: Translation | InputError) -> Outcome:
    return Outcome(path, result, source.encode())


def refused(path: str, source: str = SOURCE) -> Outcome:
    text = source.replace("import torch", "import tensorflow as tf\nimport torch\n\n\n" + HELPER)
    text = text.replace("torch.relu", "tf.nn.relu")
    findings = (
        Diagnostic(6, 9, "XL203", Severity.ERROR, "torch.odd: no counterpart", "do it by hand"),
        Diagnostic(7, 12, "XL401", Severity.NOTE, f"differs {EVIL}"),
    )
    apis = (ApiUse("torch.odd", 1, 1), ApiUse("torch.relu", 1))
    edges = (Edge("Net", "x", "NHWC"),)
    return outcome(path, source, Translation(text, Status.PARTIAL, findings, Counts(2, 1, 1), edges, apis=apis))


def clean(path: str) -> Outcome:
    source = "import torch\nx = torch.zeros(3)  # bare text\n"
    text = source.replace("torch", "tf")
    result = Translation(text, Status.TRANSLATED, counts=Counts(1, 1, 0), apis=(ApiUse("torch.zeros", 1),))
    return outcome(path, source, result)


def sample() -> list[Outcome]:
    failed = outcome("src/broken.py", "x = (\n", InputError("'(' was never closed", line=1, column=5))
    plain = outcome("src/plain.py", "x = 1\n", Translation("", Status.UNCHANGED))
    evil = refused(HOSTILE, SOURCE + f"z = {EVIL!r}\n# {EVIL}\n")
    return [clean("src/clean.py"), refused("src/refused.py"), failed, plain, evil]


def written(outcomes: list[Outcome], folder: Path) -> Path:
    by_path = {one.path: one for one in outcomes}
    target = folder / "report.html"
    with target.open("wb") as file:
        file.writelines(page(document(outcomes, Options(), {}), lambda path: texts(by_path[path])))
    return target


class Tags(html.parser.HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_is_one_file_and_holds_no_foreign_markup(tmp_path: Path) -> None:
    text = written(sample(), tmp_path).read_text("utf-8")
    tags = Tags(text).tags
    assert [name for name, _ in tags if name in ("img", "iframe", "object", "base", "form")] == []
    assert [a for name, a in tags if name == "link"] == [{"rel": "icon", "href": "data:,"}]
    assert all("src" not in attributes for _, attributes in tags)
    scripts = [attributes for name, attributes in tags if name == "script"]
    assert len(scripts) == 1 + len(sample()) + 1  # the index, a block for each file, the page's own
    assert [a for a in scripts if a.get("type") != "application/json"] == [{}]
    policy = next(a["content"] for name, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "5 files: 1 translated, 2 partly, 1 with nothing to translate, 1 failed" in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab that must end without a word on its console, and without a request but for the page."""
    said: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: said.extend([request.url] * (request.url.split(":")[0] not in ("file", "data"))))
    tab.set_default_timeout(20_000)
    yield tab
    tab.close()
    assert said == []


@pytest.fixture
def address(tmp_path: Path) -> str:
    return written(sample(), tmp_path).as_uri()


def shown(tab: Any) -> list[str]:
    """The paths in the table, once the search has settled."""
    tab.wait_for_timeout(250)
    return [text for text in tab.locator("#results td a.path").all_inner_texts() if ":" not in text[-4:]]


def test_search_looks_in_paths_apis_and_messages_and_on_request_in_sources(tab: Any, address: str) -> None:
    tab.goto(address)
    assert len(shown(tab)) == 5
    for word, expected in [("ZEROS", "src/clean.py"), ("plain", "src/plain.py"), ("never closed", "src/broken.py")]:
        tab.fill("#search", word)
        assert shown(tab) == [expected]
    tab.fill("#search", "bare text")
    assert shown(tab) == []
    tab.check("#deep")
    assert shown(tab) == ["src/clean.py"]
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "search"


def test_filters_by_status_and_code_and_order_by_column(tab: Any, address: str) -> None:
    tab.goto(address)
    tab.click("[data-status=partial]")
    assert shown(tab) == ["src/refused.py", HOSTILE]
    tab.click("[data-status='']")
    tab.select_option("#code", "XL001")
    assert shown(tab) == ["src/broken.py"]
    tab.select_option("#code", "")
    tab.click("th button:has-text('File')")
    paths = shown(tab)
    assert paths == sorted(paths)
    tab.click("th button:has-text('File')")
    assert shown(tab) == paths[::-1]


def test_rows_open_to_their_findings_and_lead_to_the_line(tab: Any, address: str) -> None:
    tab.goto(address)
    row = tab.locator("tr", has=tab.locator("a", has_text="src/refused.py"))
    row.locator("button").click()
    items = tab.locator("ul.places li").all_inner_texts()
    assert items[0] == "src/refused.py:6 XL203 torch.odd: no counterpart (do it by hand)"
    assert items[1] == f"src/refused.py:7 XL401 differs {EVIL}"
    tab.click("ul.places a >> nth=0")
    tab.wait_for_selector(".row.target")
    assert tab.inner_text(".row.target .old") == "    y = torch.odd(x)"
    assert tab.locator(".row.target + .finding.error").inner_text().startswith("XL203 torch.odd: no counterpart")
    tab.go_back()
    assert len(shown(tab)) == 5
    row.locator("button").click()
    row.locator("button").click()
    assert tab.locator("ul.places").count() == 0


def test_a_deep_link_shows_the_line_beside_its_translation(tab: Any, address: str) -> None:
    tab.goto(f"{address}#{quote('src/refused.py', safe='')}-L7")
    target = tab.locator(".row.target")
    assert target.locator(".old").inner_text() == "    return torch.relu(y)"
    assert target.locator(".new").inner_text() == "    return tf.nn.relu(y)"
    assert target.locator(".ln").inner_text() == "7"
    box = target.bounding_box()
    assert box is not None and 0 < box["y"] < 800
    tab.click("button[aria-label='Previous finding']")
    tab.wait_for_function("location.hash.endsWith('-L6')")
    assert tab.locator(".row.target .ln").inner_text() == "6"


def test_helpers_are_folded_and_open(tab: Any, address: str) -> None:
    tab.goto(f"{address}#src/refused.py")
    assert "helper_5" not in tab.inner_text(".lines")
    tab.click(".folded")
    assert "helper_5" in tab.inner_text(".lines")
    assert tab.locator(".folded").count() == 0


def test_every_line_is_shown_once_and_in_order(tab: Any, address: str) -> None:
    one = refused("src/refused.py")
    tab.goto(f"{address}#src/refused.py")
    tab.click(".folded")
    for kind, text in (("old", texts(one)[0]), ("new", texts(one)[1])):
        assert text is not None
        assert tab.locator(f".{kind}").all_text_contents() == text.splitlines()


def test_hostile_names_and_sources_stay_text(tab: Any, address: str) -> None:
    tab.goto(f"{address}#{quote(HOSTILE, safe='')}-L8")
    assert tab.inner_text(".filehead h2") == HOSTILE
    assert tab.locator(".row.target .old").text_content() == f"z = {EVIL!r}"
    assert "owned" not in tab.title()
    assert tab.locator("img").count() == 0
    tab.goto(address + "#:findings")
    assert tab.locator("img").count() == 0


def test_views_by_api_and_by_code(tab: Any, address: str) -> None:
    tab.goto(address)
    tab.click("nav a:has-text('APIs')")
    first = tab.locator("#results tbody tr >> nth=0")
    assert first.locator("td").all_inner_texts()[1:] == ["torch.odd", "0 % of 2", "2", "2", "2"]
    first.locator("button").click()
    assert "src/refused.py 1 × (1 refused)" in tab.locator("ul.places li").all_inner_texts()[0]
    tab.click("nav a:has-text('Findings')")
    assert tab.locator("td .code").all_inner_texts() == ["XL203", "XL401", "XL001"]


def test_light_and_dark(tab: Any, address: str) -> None:
    def colour() -> str:
        return str(tab.evaluate("getComputedStyle(document.body).backgroundColor"))

    tab.emulate_media(color_scheme="light")
    tab.goto(address)
    light = colour()
    tab.click("#theme")
    dark = colour()
    assert light != dark
    tab.wait_for_timeout(200)  # the browser's storage is another process
    tab.reload()
    tab.wait_for_function("wanted => getComputedStyle(document.body).backgroundColor === wanted", arg=dark)
    tab.click("#theme")
    assert colour() == light


def test_notebooks_are_shown_by_cells_with_findings_in_their_places(tab: Any, tmp_path: Path) -> None:
    def book(*cells: tuple[str, str]) -> str:
        listed = [{"cell_type": kind, "metadata": {}, "source": text} for kind, text in cells]
        return json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})

    source = book(("markdown", "# Title\ntext"), ("code", "import torch"), ("code", "a = 1\nb = torch.odd(a)"))
    text = book(("markdown", "# Title\ntext"), ("code", "import torch"), ("code", "a = 1\n# left\nb = torch.odd(a)"))
    finding = Diagnostic(2, 5, "XL203", Severity.ERROR, "no counterpart", cell=3)
    result = Translation(text, Status.PARTIAL, (finding,), Counts(1, 0, 1))
    tab.goto(written([outcome("n.ipynb", source, result)], tmp_path).as_uri())
    tab.click("td.fold button")
    assert tab.inner_text("ul.places li") == "n.ipynb:cell 3:2 XL203 no counterpart"
    tab.click("ul.places a")
    assert tab.text_content(".row.target .old") == "b = torch.odd(a)"
    assert tab.locator(".row.target + .finding").count() == 1
    lines = "\n".join(tab.locator(".old").all_text_contents())
    cells = "# %% cell 2\nimport torch\n# %% cell 3\na = 1\nb = torch.odd(a)"
    assert lines == f"# %% cell 1 [markdown]\n# # Title\n# text\n{cells}"


def test_an_empty_run(tab: Any, tmp_path: Path) -> None:
    tab.goto(written([], tmp_path).as_uri())
    assert tab.inner_text(".empty") == "No file fits."


def test_two_thousand_files_open_at_once(tab: Any, tmp_path: Path) -> None:
    long = "".join(f"def g{i}(x):\n    return torch.relu(x) + {i}\n\n\n" for i in range(90))
    outcomes = [refused(f"pkg/m{i:04}.py", SOURCE.format(n=f"needle {i}") + long) for i in range(1999)]
    outcomes.append(refused("pkg/huge.py", SOURCE + "x = 1\n" * 50_000))
    target = written(outcomes, tmp_path)
    assert target.stat().st_size > 15e6
    start = time.perf_counter()
    tab.goto(target.as_uri())
    assert len(tab.locator("#results tbody tr").all()) == 200  # the rest follows as it is scrolled
    assert time.perf_counter() - start < 10  # about 1 s alone on a desktop's core
    tab.fill("#search", "m1777")
    assert shown(tab) == ["pkg/m1777.py"]
    tab.check("#deep")
    tab.fill("#search", "needle 1234")
    tab.wait_for_selector("#results a.path:has-text('m1234')")
    assert shown(tab) == ["pkg/m1234.py"]
    start = time.perf_counter()
    tab.goto(target.as_uri() + "#pkg/huge.py-L40000")
    assert tab.locator(".row.target .ln").inner_text() == "40000"
    assert tab.locator(".row").count() < 5_000
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("width", [420, 1280])
def test_a_page_of_verify_fits_into_its_window(width: int, tab: Any, tmp_path: Path) -> None:
    name = "a_rather_long.path_of_parts.within_a_model." * 2 + "weight"
    sizes = [Quantity(f"{name}{i}", 10.0**-i, absolute=1e-3) for i in range(9)]
    checks = [Check("steps", q, expected="so it is" * (i % 2)) for i, q in enumerate(sizes)]
    place = ("network.py", 3, 4)
    model = ModelReport("network.py", "ARatherLongNameOfANetwork", {"sizes": list(range(40))}, [], checks)
    model.spot = Spot(name, name, f"{name} differs", place, place, "a trap")
    model.layers = [(name, 1e-3), ("head", 1e-12)]
    long = "x = 1\n" * 4 + "y = [" + "1, " * 90 + "]\n"
    folder = "folder/" * 20
    report = Report([FileReport(folder + "network.py", folder + "network_tf.py", long, long, models=[model])])
    (tmp_path / "verify.html").write_text(verified(report), "utf-8")
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto((tmp_path / "verify.html").as_uri())
    for details in tab.locator("details").all():
        details.evaluate("node => node.open = true")
    assert tab.locator("table").count() == 2
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    for wide in tab.locator(".wide").all():
        assert wide.evaluate("node => node.getBoundingClientRect().right") <= width
