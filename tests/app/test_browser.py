"""The web app as people meet it: in Chromium, with the shipped model behind the real server."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import xlsxwriter
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Download, Locator, Page, expect
from python_calamine import CalamineWorkbook

from emotion_tfx.app.phrases import PHRASES
from emotion_tfx.app.speech import Language, Speech
from emotion_tfx.data import read_csv
from emotion_tfx.labels import LABELS
from emotion_tfx.model.locate import newest_version, shipped_base

from ..command import emotion
from . import browser as browsing
from .browser import CHROMIUM, free_port, take_picture
from .small_server import small_server

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install it)"),
    pytest.mark.skipif(newest_version(shipped_base()) is None, reason="no model is shipped"),
]

expect.set_options(timeout=30_000)

SURE = {
    "sadness": "i feel so lonely and miserable",
    "joy": "i feel happy and wonderful today",
    "love": "i feel so tender and loving towards my sister",
    "anger": "i am furious and i feel so angry about it",
    "fear": "i am scared and terrified of the dark",
    "surprise": "i was amazed and stunned by it all",
}
ATTACK = '<img src=x onerror="window.hacked=1"> <script>window.hacked=1</script> **so** happy'


@dataclass(frozen=True)
class World:
    """What runs while this file is tested."""

    server: str
    app: str
    output: Path
    browser: Browser


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    settings = {"EMOTION_OUTPUT": str(folder)}
    with (
        browsing.serving(folder / "server.log") as server,
        browsing.app(server, folder / "app.log", settings) as app,
        browsing.chromium() as chromium,
    ):
        yield World(server, app, folder, chromium)
        assert not any(map(loads_tensorflow, browsing.processes_of(app.rpartition(":")[2])))
    log = (folder / "app.log").read_text()
    assert "Traceback" not in log, log


def loads_tensorflow(process: int) -> bool:
    return "tensorflow" in Path(f"/proc/{process}/maps").read_text()


@pytest.fixture
def open_page(world: World) -> Iterator[Callable[..., Page]]:
    """Opens a page in a fresh browser; what it asks of others than the app fails the test."""
    contexts, strangers, errors = [], [], []

    def open_(
        path: str = "one",
        *,
        language: Language = "en",
        width: int = 1100,
        dark: bool = False,
        app: str = world.app,
    ) -> Page:
        context = world.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            locale=language,
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.on(
            "request",
            lambda r: (
                r.url.startswith(("http://127.0.0.1", "data:", "blob:")) or strangers.append(r.url)
            ),
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{app}/{path}".removesuffix("/one"))
        expect(page.locator("h1")).to_be_visible()
        expect_rest(page)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert strangers == []
    assert errors == []


def expect_rest(page: Page) -> None:
    """Nothing is being drawn: what is sent before may be lost."""
    drawn = page.get_by_test_id("stApp")
    expect(drawn).to_have_attribute("data-test-script-state", "notRunning")


def click(target: Locator) -> None:
    """Clicks as people do, once the page is at rest."""
    expect_rest(target.page)
    target.click()


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your text, in English").fill(text)
    click(page.get_by_role("button", name="Show the emotion"))


def answer_of(page: Page) -> str:
    return page.locator(".e-label").inner_text().lower()


def drop(page: Page, name: str, content: bytes | str) -> None:
    data = content.encode() if isinstance(content, str) else content
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


def start(page: Page) -> None:
    click(page.get_by_role("button", name="Find the emotions"))


def downloaded(page: Page, button: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        click(page.get_by_role("button", name=button))
    got: Download = waiting.value
    return got.suggested_filename, Path(got.path()).read_bytes()


def bars(page: Page) -> list[str]:
    """What stands beside the bars of the six emotions."""
    values = page.locator(".e-bars .e-value")
    expect(values).to_have_count(len(LABELS))
    return values.all_inner_texts()


def assert_accessible(page: Page) -> None:
    """No finding of axe-core that it calls serious or critical."""
    found = [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in Axe().run(page).response["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert found == []


def expect_drawn(page: Page) -> None:
    """Charts come a moment after the rest, once the browser has loaded what draws them."""
    expect(page.get_by_test_id("stVegaLiteChart").locator("svg, canvas").first).to_be_visible()


# One text


def test_a_text_is_answered_with_its_emotion_all_shares_and_the_words_that_mattered(
    open_page: Callable[..., Page],
):
    page = open_page()
    ask(page, "I can't believe it, I feel so happy!")
    expect(page.locator(".e-label")).to_have_text("joy")
    expect(page.locator(".e-sub")).to_contain_text("% sure")
    expect(page.locator(".e-answer .e-face")).to_have_count(6)
    shares = bars(page)
    assert sum(float(share.strip("<>%")) for share in shares) == pytest.approx(100, abs=1)
    expect(page.locator("mark.e-for").filter(has_text="happy")).to_have_attribute(
        "title", re.compile(r"^\+\d+ points$")
    )
    expect(page.locator(".e-text")).to_have_text("I can't believe it, I feel so happy!")
    take_picture(page, "one")
    assert_accessible(page)


def test_each_emotion_is_found_by_keyboard_alone(open_page: Callable[..., Page]):
    page = open_page()
    page.get_by_label("Your text, in English").focus()
    for label, text in SURE.items():
        expect_rest(page)
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
        page.keyboard.press("Control+Enter")
        expect(page.locator(".e-text")).to_have_text(text)
        expect(page.locator(".e-label")).to_have_text(label)


def test_examples_are_answered_at_a_click(open_page: Callable[..., Page]):
    page = open_page()
    for label in LABELS:
        text = PHRASES[f"example.{label}"].en
        click(page.get_by_role("button", name=text))
        expect(page.locator(".e-text")).to_have_text(text)
        expect(page.locator(".e-label")).to_have_text(label)
        expect(page.get_by_label("Your text, in English")).to_have_value(text)


def test_doubt_is_told_as_doubt(open_page: Callable[..., Page]):
    page = open_page()
    ask(page, "qwrtz plumbus")
    expect(page.locator(".e-label")).to_have_text("Not sure")
    expect(page.locator(".e-sub")).to_contain_text("perhaps")
    expect(page.locator(".e-why")).to_contain_text("a person should decide")
    take_picture(page, "one-not-sure")
    assert_accessible(page)


def test_another_language_is_noticed(open_page: Callable[..., Page]):
    page = open_page()
    ask(page, "saya sangat sedih karena kucing saya hilang")
    expect(page.get_by_text("This does not look like English")).to_be_visible()
    ask(page, "i feel so happy today")
    expect(page.locator(".e-text")).to_have_text("i feel so happy today")
    expect(page.get_by_text("This does not look like English")).to_have_count(0)


def test_no_text_is_no_question(open_page: Callable[..., Page]):
    page = open_page()
    ask(page, "   ")
    expect(page.get_by_text("There is no text yet")).to_be_visible()


def test_what_was_asked_stays_can_be_taken_and_cleared(open_page: Callable[..., Page]):
    page = open_page()
    texts = ["i feel happy", "=1+1 i feel so angry"]
    for text in texts:
        ask(page, text)
        expect(page.locator(".e-text")).to_have_text(text)
    click(page.get_by_role("link", name="The model"))
    expect(page.locator("h1")).to_have_text("The model that answers")
    click(page.get_by_role("link", name="One text"))
    click(page.get_by_text("Your texts so far (2)"))
    expect(page.locator(".e-table tbody tr")).to_have_count(2)
    assert_accessible(page)
    name, content = downloaded(page, "Download as CSV")
    assert name == "emotions.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [row["text"] for row in rows] == ["i feel happy", "'=1+1 i feel so angry"]
    assert [row["label"] for row in rows] == ["joy", "anger"]
    click(page.get_by_role("button", name="Clear"))
    expect(page.get_by_text("Your texts so far")).to_have_count(0)
    expect(page.locator(".e-answer")).to_have_count(0)


def test_the_answer_comes_while_one_looks(open_page: Callable[..., Page]):
    """No timing here: only that nothing but the answer is drawn anew, which makes it quick."""
    page = open_page()
    page.evaluate("document.querySelector('h1').dataset.kept = 'yes'")
    ask(page, "i feel happy")
    expect(page.locator(".e-label")).to_be_visible()
    assert page.evaluate("document.querySelector('h1').dataset.kept") == "yes"


# Feedback


def judgements(world: World) -> list[tuple[str, str, str | None]]:
    with sqlite3.connect(world.output / "feedback.sqlite") as database:
        return database.execute(
            "SELECT answered, chosen, text FROM feedback ORDER BY given_at"
        ).fetchall()


def test_feedback_is_kept_with_the_text_only_by_consent_and_trains_the_next_model(
    open_page: Callable[..., Page], world: World
):
    page = open_page()
    text = "i feel happy about my new lamp"
    ask(page, text)
    pills = page.get_by_test_id("stButtonGroup").filter(has_text="surprise")
    click(pills.get_by_text("joy"))
    expect(page.get_by_text("Thank you. You agree. The text is not kept.")).to_be_visible()
    assert judgements(world) == [("joy", "joy", None)]
    click(pills.get_by_text("surprise"))
    expect(page.get_by_text("Corrected to surprise. The text is not kept.")).to_be_visible()
    click(page.get_by_text("Keep my text with it"))
    expect(page.get_by_text("Corrected to surprise. The text is kept too.")).to_be_visible()
    assert judgements(world) == [("joy", "surprise", text)]
    take_picture(page, "one-feedback")
    assert_accessible(page)

    settings = {"EMOTION_OUTPUT": str(world.output)}
    ended = emotion("feedback", "export", "-o", world.output / "f.csv", settings=settings)
    assert ended.code == 0, ended.errors
    (row,) = read_csv(world.output / "f.csv")
    assert (row.text, LABELS[row.label]) == (text, "surprise")

    click(pills.get_by_text("surprise"))
    expect(page.get_by_text("Without this, only the emotions are kept")).to_be_visible()
    assert judgements(world) == []


# Many texts


def workbook(rows: list[list[object]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return file.getvalue()


def many_rows(count: int) -> str:
    lines = ["id;review;created"]
    for number in range(count):
        label = LABELS[number % 6]
        lines.append(f"{number};{SURE[label]} {number};{number % 28 + 1}.{number % 12 + 1}.2025")
    return "\n".join(lines)


def test_a_file_is_answered_looked_at_and_taken(open_page: Callable[..., Page]):
    page = open_page("many")
    drop(page, "reviews.csv", many_rows(599) + '\n599;"=cmd|calc so happy";1.1.2025\n')
    boxes = {"The column with the texts": "review", "The column with dates, if any": "created"}
    for name, guessed in boxes.items():
        expect(page.get_by_role("combobox", name=name)).to_have_value(guessed)
    expect(page.locator(".e-table tbody tr")).to_have_count(5)
    take_picture(page, "many-file")
    assert_accessible(page)
    start(page)
    expect(page.get_by_text(re.compile("^600 texts answered in"))).to_be_visible()
    expect(page.locator(".e-tiles dd").first).to_have_text("600")
    counts = bars(page)
    assert [count.split(" ")[0] for count in counts] == ["100", "101", "100", "100", "100", "99"]
    expect(page.get_by_role("heading", name="Emotions over time")).to_be_visible()
    expect_drawn(page)
    take_picture(page, "many-answered")
    assert_accessible(page)

    shown = page.get_by_text(re.compile("A click on a column's head"))
    expect(shown).to_have_text(re.compile("^600 of 600"))
    click(page.get_by_test_id("stButtonGroup").filter(has_text="love").get_by_text("love"))
    expect(shown).to_have_text(re.compile("^100 of 100"))
    box = page.get_by_label("Only texts with")
    box.fill("SISTER 2")
    box.press("Enter")
    expect(shown).not_to_have_text(re.compile("of 100"))

    name, content = downloaded(page, "Download CSV")
    assert name == "reviews-emotions.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert len(rows) == 600
    assert rows[599]["review"] == "'=cmd|calc so happy"
    assert [row["label"] for row in rows[:6]] == list(LABELS)
    name, content = downloaded(page, "Download XLSX")
    assert name == "reviews-emotions.xlsx"
    found = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    assert len(found) == 601
    assert found[600][1] == "=cmd|calc so happy"

    click(page.get_by_role("button", name="Start over"))
    expect(page.locator("input[type=file]")).to_be_attached()


FILES: dict[str, bytes | str] = {
    "a.tsv": "id\ttext\n1\ti feel happy\n2\ti am so angry\n",
    "a.txt": "i feel happy\n\ni am so angry\n",
    "a.xlsx": workbook([["id", "text"], [1, "i feel happy"], [2, "i am so angry"]]),
    "latin.csv": "text\ni feel happy à la carte, señor\n".replace(", ", " ").encode("latin-1")
    + b"i am so angry\n",
}


def test_each_kind_of_file_and_pasted_lines_are_read(open_page: Callable[..., Page]):
    page = open_page("many")
    for name, content in FILES.items():
        drop(page, name, content)
        start(page)
        expect(page.get_by_text(re.compile("^2 texts answered in"))).to_be_visible()
        shares = bars(page)
        assert (shares[1], shares[3]) == ("1 · 50%", "1 · 50%")
        click(page.get_by_role("button", name="Start over"))
        expect(page.locator("input[type=file]")).to_be_attached()
    click(page.get_by_text("Pasted lines"))
    page.get_by_label("Your texts, one a line").fill("\n".join(SURE.values()))
    start(page)
    expect(page.get_by_text(re.compile("^6 texts answered in"))).to_be_visible()


def test_broken_files_are_told_so_that_one_understands(open_page: Callable[..., Page]):
    page = open_page("many")
    broken = {
        "empty.csv": (b"", "The file is empty."),
        "cut.xlsx": (b"PK\x03\x04 rest", "This is not an Excel file that can be read"),
        "quotes.csv": (b'text,n\nfine,1\n"open,2\n', "begins in line 3 do not match"),
        "binary.txt": bytes(range(256)) and (b"hi\nyou\0\n", "Line 2 is not text"),
    }
    for name, (content, told) in broken.items():
        page.reload()
        drop(page, name, content)
        expect(page.get_by_role("alert")).to_contain_text(told)
    take_picture(page, "many-broken")
    assert_accessible(page)
    page.reload()
    drop(page, "wide.csv", b"text,n\n" + b"fine,1\n" * 500 + b"well, well,2\n")
    start(page)
    expect(page.get_by_role("alert")).to_contain_text("Line 502 has 3 columns")


def test_a_long_file_shows_how_far_it_is_and_can_be_cancelled(open_page: Callable[..., Page]):
    page = open_page("many")
    drop(page, "long.csv", many_rows(150_000))
    start(page)
    expect(
        page.get_by_text(re.compile(r"of 150,000 texts · [\d,]+ a second · about"))
    ).to_be_visible()
    take_picture(page, "many-progress", 900)
    assert_accessible(page)
    page.get_by_role("button", name="Cancel").click()
    expect(
        page.get_by_text(re.compile(r"^Cancelled after [\d,]+ of 150,000 texts"))
    ).to_be_visible()
    expect(page.get_by_role("button", name="Download CSV")).to_be_visible()


# What others may try


def test_a_text_is_only_ever_text(open_page: Callable[..., Page]):
    page = open_page()
    ask(page, ATTACK)
    expect(page.locator(".e-text")).to_have_text(ATTACK)
    click(page.get_by_text("Your texts so far"))
    expect(page.locator(".e-wrap")).to_have_text(ATTACK)
    assert page.evaluate("window.hacked") is None


def test_a_file_and_its_name_are_only_ever_text(open_page: Callable[..., Page]):
    page = open_page("many")
    name = "<img src=x onerror=window.hacked=1>![x](http://example.invalid/x.png).csv"
    quoted = '"' + ATTACK.replace('"', '""') + '"'
    drop(page, name, f"{quoted},n\n" + f"{quoted},1\n" * 30_000)
    expect(page.locator(".e-table td").first).to_have_text(ATTACK)
    start(page)
    expect(page.get_by_text(re.compile("^30,000 texts answered in"))).to_be_visible()
    page.wait_for_timeout(300)
    click(page.get_by_role("button", name="Start over"))
    drop(page, f"{name}.exe.csv", b"")
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.evaluate("window.hacked") is None


# The model and the server


def test_the_model_page_tells_what_the_models_own_files_tell(open_page: Callable[..., Page]):
    page = open_page("model")
    model = newest_version(shipped_base())
    assert model is not None
    metrics = json.loads((model / "assets.extra" / "metrics.json").read_text())
    expect(page.get_by_text(f"emotion, version {model.name}")).to_be_visible()
    expect(page.locator(".e-tiles dd").first).to_have_text(
        Speech("en").percent(metrics["accuracy"], 1)
    )
    cells = page.locator(".e-confusion td b")
    expect(cells).to_have_count(len(LABELS) ** 2)
    assert [int(cell.replace(",", "")) for cell in cells.all_inner_texts()] == [
        count for row in metrics["confusion"] for count in row
    ]
    click(page.get_by_text("Its card").last)
    expect(page.get_by_role("heading", name="Out of scope")).to_be_visible()
    expect(page.get_by_text("pipeline_tag")).to_have_count(0)
    expect_drawn(page)
    take_picture(page, "model")
    assert_accessible(page)


def figure(page: Page, name: str) -> str:
    tile = page.locator(".e-tiles div").filter(has=page.locator("dt", has_text=name))
    return tile.first.locator("dd").inner_text()


def test_the_monitoring_page_counts_what_the_server_answers(
    open_page: Callable[..., Page], world: World
):
    page = open_page("monitoring")
    expect(page.locator(".e-tiles").first).to_be_visible()
    before = int(figure(page, "Requests").replace(",", ""))
    for _ in range(3):
        request = urllib.request.Request(
            f"{world.server}/v1/emotions", json.dumps({"text": "i feel happy"}).encode()
        )
        urllib.request.urlopen(request, timeout=20).close()
    page.wait_for_function(
        """before => [...document.querySelectorAll('.e-tiles div')].some(tile =>
             tile.innerText.startsWith('Requests') &&
             Number(tile.innerText.replace(/\\D/g, '')) >= before + 3)""",
        arg=before,
    )
    expect(page.get_by_role("heading", name="Texts a second, by emotion")).to_be_visible()
    expect(page.get_by_text("those that the model was judged on")).to_be_visible()
    expect_drawn(page)
    take_picture(page, "monitoring")
    assert_accessible(page)


def wait_until_scraped(prometheus: str) -> None:
    deadline = time.monotonic() + 30
    seen: list[object] = []
    while not seen:
        assert time.monotonic() < deadline
        with suppress(OSError):
            query = (
                f"{prometheus}/api/v1/query?query=count_over_time(emotion_predictions_total[1m])"
            )
            with urllib.request.urlopen(query, timeout=2) as reply:
                seen = json.load(reply)["data"]["result"]
        time.sleep(0.2)


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed (apt-get install it)"
)
def test_the_monitoring_page_draws_what_prometheus_has_seen(
    open_page: Callable[..., Page], world: World, tmp_path: Path
):
    port = free_port()
    target = world.server.removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(
        "scrape_configs: [{job_name: emotion, scrape_interval: 1s, "
        "metrics_path: /monitoring/prometheus/metrics, "
        f"static_configs: [{{targets: ['{target}']}}]}}]"
    )
    prometheus = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    settings = {"EMOTION_PROMETHEUS": address, "EMOTION_OUTPUT": str(tmp_path)}
    try:
        wait_until_scraped(address)
        with browsing.app(world.server, tmp_path / "app.log", settings) as app:
            page = open_page(app=app)
            for label in LABELS:
                ask(page, SURE[label])
                expect(page.locator(".e-label")).to_have_text(label)
            click(page.get_by_role("link", name="Monitoring"))
            expect(page.get_by_text(f"charts from {address}")).to_be_visible()
            # A line begins with the second point, and points lie five seconds apart.
            for title in ("Latency in milliseconds", "Texts a second, by emotion"):
                expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=30_000)
            expect_drawn(page)
            take_picture(page, "monitoring-prometheus")
            assert_accessible(page)
            prometheus.terminate()
            prometheus.wait(20)
            expect(page.get_by_text("does not answer")).to_be_visible()
    finally:
        prometheus.kill()
        prometheus.wait(20)


# The server is away


def test_a_server_that_is_away_is_told_with_the_command_and_found_again(
    open_page: Callable[..., Page], tmp_path: Path
):
    port = free_port()
    settings = {"EMOTION_OUTPUT": str(tmp_path)}
    with browsing.app(f"http://127.0.0.1:{port}", tmp_path / "app.log", settings) as app:
        page = open_page(app=app)
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
        expect(page.get_by_text("emotion serve", exact=True)).to_be_visible()
        take_picture(page, "server-away")
        assert_accessible(page)
        with small_server(port) as server:
            expect(page.get_by_label("Your text, in English")).to_be_visible()
            server.reply = lambda path: (401, {"error": "no key"}) if "emotions" in path else None
            ask(page, "hello there")
            expect(page.get_by_role("alert")).to_contain_text("EMOTION_API_KEY")
            server.reply = lambda path: (503, {"error": "overloaded"})
            ask(page, "hello again")
            expect(page.get_by_role("alert")).to_contain_text("too much to do")
        ask(page, "hello once more")
        expect(page.get_by_role("alert")).to_contain_text("does not answer")


# Languages, themes, phones


def test_every_page_speaks_indonesian(open_page: Callable[..., Page]):
    page, say = open_page(language="id"), Speech("id")
    expect(page.locator("html")).to_have_attribute("lang", "id")
    page.get_by_role("textbox").fill("i feel so happy today")
    click(page.get_by_role("button", name=say("one.ask")))
    expect(page.locator(".e-label")).to_have_text("kegembiraan")
    assert_indonesian(page, "one")
    click(page.get_by_role("link", name=say("frame.many")))
    drop(page, "a.csv", many_rows(60))
    click(page.get_by_role("button", name=say("many.start")))
    expect(page.get_by_role("button", name=say("many.download_csv"))).to_be_visible()
    assert_indonesian(page, "many")
    for path in ("model", "monitoring"):
        click(page.get_by_role("link", name=say(f"frame.{path}")))
        expect(page.locator("h1")).to_have_text(say(f"{path}.title"))
        expect(page.locator(".e-tiles").first).to_be_visible()
        assert_indonesian(page, path)


def assert_indonesian(page: Page, path: str) -> None:
    page.wait_for_timeout(300)
    english = {phrase.en for phrase in PHRASES.values() if phrase.en != phrase.id}
    assert set(page.locator(".stMain").inner_text().splitlines()) & english == set()
    take_picture(page, f"{path}-id")
    assert_accessible(page)


def test_the_language_changes_at_a_click_and_stays(open_page: Callable[..., Page]):
    page = open_page()
    click(page.get_by_text("Bahasa Indonesia"))
    expect(page.locator("h1")).to_have_text("Terasa seperti apa?")
    click(page.get_by_role("link", name="Modelnya"))
    expect(page.locator("h1")).to_have_text("Model yang menjawab")
    click(page.get_by_text("English", exact=True))
    expect(page.locator("h1")).to_have_text("The model that answers")


def test_every_page_fits_a_phone_and_is_readable_in_the_dark(open_page: Callable[..., Page]):
    page = open_page(width=390, dark=True)
    ask(page, "I can't believe it, but I am so scared of tomorrow and I feel terrible")
    expect(page.locator(".e-label")).to_be_visible()
    assert_fits(page, "one")
    click(page.get_by_role("link", name="Many texts"))
    drop(page, "a.csv", many_rows(600))
    start(page)
    expect(page.get_by_role("button", name="Download CSV")).to_be_visible()
    assert_fits(page, "many")
    for path, link in (("model", "The model"), ("monitoring", "Monitoring")):
        click(page.get_by_role("link", name=link))
        expect(page.locator("h1")).to_have_text(PHRASES[f"{path}.title"].en)
        expect(page.locator(".e-tiles").first).to_be_visible()
        assert_fits(page, path)


def assert_fits(page: Page, path: str) -> None:
    """Nothing reaches out of the window but what scrolls by itself, in a place that does not."""
    expect_rest(page)
    page.wait_for_timeout(300)
    wide = page.evaluate(
        """(() => {
             const reachesOut = e => e.getBoundingClientRect().right > innerWidth + 1;
             const scrolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
             const main = document.querySelector('.stMain');
             const fits = e => {
               for (let box = e.parentElement; box && box !== main; box = box.parentElement)
                 if (scrolls(box) && !reachesOut(box)) return true;
               return Boolean(e.closest('canvas, svg, .stDataFrame'));
             };
             return [...main.querySelectorAll('*')].filter(e => reachesOut(e) && !fits(e))
               .map(e => e.outerHTML.slice(0, 120));
           })()"""
    )
    assert wide == []
    take_picture(page, f"{path}-phone")
    assert_accessible(page)


def test_the_picture_of_the_readme(open_page: Callable[..., Page]):
    page = open_page(width=1000)
    ask(
        page,
        "They all came! I was scared that nobody would, and now I feel soooo happy 😄",
    )
    expect(page.locator(".e-label")).to_have_text("joy")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    time.sleep(0.4)
    take_picture(page, "app", 1010)
