"""The review page in a real browser: filter, sort, review by keyboard, reload, export, apply."""

import csv

import numpy as np
import pandas as pd
import pytest

from nllearn.inspection import apply_decisions_to, write_review_page

pytestmark = pytest.mark.xdist_group("browser")

HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    '=HYPERLINK("http://example.invalid","click")',
    "'quoted",
    "<!-- <script>",
    "{{data}} & \u2028 line",
]


def issue_table(n, classes, n_issues, seed=0):
    """Issues first by quality in row order: row i has quality i / n."""
    rng = np.random.default_rng(seed)
    given = rng.integers(0, len(classes), n)
    corrected = given.copy()
    corrected[:n_issues] = (given[:n_issues] + 1) % len(classes)
    names = np.array(classes)
    return pd.DataFrame(
        {
            "is_label_issue": corrected != given,
            "label_quality": np.arange(n) / n,
            "given_label": names[given],
            "corrected_label": names[corrected],
            "predicted_label": names[corrected],
            "predicted_proba": 0.9,
            "clean_proba": np.linspace(0, 1, n),
            "is_easy": np.arange(n) % 2 == 0,
        }
    )


def open_page(page, path, **kwargs):
    from selenium.webdriver.support.ui import WebDriverWait

    write_review_page(path, **kwargs)
    page.get(path.as_uri())
    WebDriverWait(page, 20).until(
        lambda d: d.execute_script("return document.querySelector('.tabulator-row.is-current')")
    )


@pytest.fixture
def small(page, tmp_path):
    """Fifty rows, thirty issues, three classes, all sections."""
    issues = issue_table(50, ["cat", "dog", "fox"], 30)
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), 50)
    open_page(
        page,
        tmp_path / "review.html",
        issues=issues,
        features=rng.normal(size=(50, 8)),
        label_distributions=proba,
        network_proba=proba,
        losses=rng.exponential(size=50),
        history=[
            {"epoch": e, "phase": "warm-up", "train_loss": 1 / e, "share_easy": 0.5}
            for e in range(1, 6)
        ],
        transition_matrix=np.full((3, 3), 1 / 3),
        noise_rate=0.25,
        texts=[f"text number {i}" for i in range(50)],
    )
    page.issues = issues
    return page


KEYS_SEEN = """
    if (window.keysSeen === undefined) {
      window.keysSeen = 0;
      window.addEventListener("keydown", () => { window.keysSeen += 1; }, true);
    }
    return window.keysSeen;
    """


def keys(page, text):
    """Type; a key that the driver lost on its way to the page is typed again.

    A crowded machine loses one now and then. What counts as lost is a key that no listener
    of the window saw, so a key that the page itself does not heed still fails the test.
    """
    from selenium.webdriver.common.action_chains import ActionChains

    for key in text:
        seen = page.execute_script(KEYS_SEEN)
        for _ in range(3):
            ActionChains(page).send_keys(key).perform()
            if page.execute_script(KEYS_SEEN) > seen:
                break
        else:
            raise AssertionError(f"the page never saw the key {key!r}")


def text_of(page, css):
    return page.execute_script("return document.querySelector(arguments[0]).textContent", css)


def listed_rows(page):
    """Row numbers in the order of the list, all of them, not only those on the screen."""
    return page.execute_script("return visibleOrder().map((index) => ITEMS[index].row)")


def choose(page, element_id, value):
    page.execute_script(
        "const field = document.getElementById(arguments[0]); field.value = arguments[1];"
        "field.dispatchEvent(new Event('change'));",
        element_id,
        value,
    )


def wait_for(page, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(page, 20, poll_frequency=0.05).until(condition)


def exported(page, button, ending):
    """Press an export button and wait for its file."""
    page.find_element("id", button).click()
    return wait_for(page, lambda _: next(page.downloads.glob(f"*.{ending}"), None))


def test_summary_and_sections(small):
    assert "50" in text_of(small, "#summary")
    assert "30 (60.0 %)" in text_of(small, "#summary")
    assert "25.0 %" in text_of(small, "#summary")
    for section in ("map", "worst", "transition", "loss", "history"):
        hidden = f"return document.getElementById('{section}-section').hidden"
        assert not small.execute_script(hidden), section
    # Each chart is drawn when it is looked at.
    for chart in ("map", "loss", "history-losses", "history-shares"):
        small.execute_script(f"document.getElementById('{chart}').scrollIntoView()")
        script = f"return document.querySelector('#{chart} canvas') !== null"
        assert wait_for(small, lambda d, s=script: d.execute_script(s))


def test_filter_and_sort(small):
    assert listed_rows(small) == list(range(30))
    keys(small, "/")
    keys(small, "number 2")
    wait_for(small, lambda d: len(listed_rows(d)) == 11)
    assert listed_rows(small) == [2, *range(20, 30)]
    assert text_of(small, "#count").startswith("11 of 30")
    small.find_element("id", "clear-filters").click()
    choose(small, "filter-given", "1")
    given = small.issues["given_label"].to_numpy()
    expected = [row for row in range(30) if given[row] == "dog"]
    assert listed_rows(small) == expected
    choose(small, "sort", "quality:desc")
    assert listed_rows(small) == expected[::-1]
    # A click on a column header sorts as well, and the choice above the list follows.
    small.find_element("css selector", '.tabulator-col[tabulator-field="name"]').click()
    assert listed_rows(small) == expected
    assert small.find_element("id", "sort").get_attribute("value") == "row:asc"


def test_ten_rows_by_keyboard_reload_export_apply(small):
    keys(small, "aar")  # rows 0, 1, 2
    keys(small, "s")  # row 3
    keys(small, "o")  # row 4
    assert small.execute_script("return document.getElementById('other-dialog').open")
    keys(small, "fox\ue007")
    keys(small, "jk")  # to row 6 and back to row 5
    keys(small, "aaaaa")  # rows 5 to 9
    keys(small, "r")  # row 10, taken back
    keys(small, "u")
    assert text_of(small, "#card-title") == "Row 10"
    assert text_of(small, "#progress").startswith("10 of 30")
    assert "Undone" in text_of(small, "#announce")

    small.refresh()
    wait_for(small, lambda d: d.find_elements("css selector", ".tabulator-row.is-current"))
    assert text_of(small, "#progress").startswith("10 of 30")
    choose(small, "filter-state", "accept")
    assert listed_rows(small) == [0, 1, 5, 6, 7, 8, 9]

    table = small.issues
    expected = table["corrected_label"].to_numpy(copy=True)
    expected[2] = table["given_label"][2]
    expected[4] = "fox"
    for button, ending in (("export-json", "json"), ("export-csv", "csv")):
        path = exported(small, button, ending)
        labels, decided = apply_decisions_to(table, path)
        assert labels.tolist() == expected.tolist()
        assert np.flatnonzero(decided).tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_keys_do_nothing_while_typing_and_when_switched_off(small):
    keys(small, "/")
    keys(small, "ars")
    assert text_of(small, "#progress").startswith("0 of 30")
    wait_for(small, lambda d: listed_rows(d) == [])
    keys(small, "\ue00c")  # Escape empties the field and leaves it
    wait_for(small, lambda d: len(listed_rows(d)) == 30)
    assert small.execute_script("return document.activeElement.id") == "card"
    small.execute_script("document.getElementById('shortcuts').checked = false")
    keys(small, "a")
    assert text_of(small, "#progress").startswith("0 of 30")


def test_an_area_of_the_map_filters_the_list(small):
    from selenium.webdriver.common.action_chains import ActionChains

    small.execute_script("document.getElementById('map-section').scrollIntoView()")
    wait_for(small, lambda d: d.find_elements("css selector", "#map canvas"))
    small.find_element("id", "brush-rect").click()
    box = small.find_element("id", "map")
    half_w, half_h = box.size["width"] // 2, box.size["height"] // 2
    drag = ActionChains(small).move_to_element_with_offset(box, -half_w + 12, -half_h + 12)
    drag.click_and_hold().move_by_offset(half_w, 2 * half_h - 24).release().perform()
    wait_for(small, lambda d: "selected on the map" in text_of(d, "#count"))
    x = small.execute_script("return DATA.listed.x")
    inside = {row for row in range(30) if x[row] < 0}
    assert 0 < len(inside) < 30
    # The right edge of the rectangle is the middle of the map, to a few pixels.
    off = set(listed_rows(small)) ^ inside
    assert all(abs(x[row]) < 0.03 for row in off)
    small.find_element("id", "brush-clear").click()
    assert len(listed_rows(small)) == 30


def test_hostile_text_stays_text(page, tmp_path):
    issues = issue_table(12, HOSTILE, 12)
    issues.index = [f"<b>{i}</b>" for i in range(12)]
    texts = [HOSTILE[i % len(HOSTILE)] for i in range(12)]
    open_page(page, tmp_path / "review.html", issues=issues, texts=texts, title=HOSTILE[0])
    assert page.title == HOSTILE[0]
    assert text_of(page, "#card-title") == "Row <b>0</b>"
    assert text_of(page, ".content .text") == texts[0]
    keys(page, "a" * 11 + "r")
    assert page.execute_script("return window.hacked === undefined")
    assert page.execute_script("return document.querySelectorAll('#list b, img').length") == 0

    json_path = exported(page, "export-json", "json")
    csv_path = exported(page, "export-csv", "csv")
    labels, decided = apply_decisions_to(issues, csv_path)
    assert labels.tolist() == apply_decisions_to(issues, json_path)[0].tolist()
    assert decided.all()
    expected = issues["corrected_label"].tolist()[:11] + [issues["given_label"].iloc[11]]
    assert labels.tolist() == expected
    with open(csv_path, encoding="utf-8-sig", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_the_page_makes_no_connection(small):
    fetched = small.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
        ".filter((name) => !name.startsWith('data:'))"
    )
    assert fetched == []
    policy = "meta[http-equiv='Content-Security-Policy']"
    content = small.find_element("css selector", policy).get_attribute("content")
    assert content.startswith("default-src 'none'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_width_and_colours(small, scheme):
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    small.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    small.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    small.refresh()
    wait_for(small, lambda d: d.find_elements("css selector", ".tabulator-row.is-current"))
    assert small.execute_script("return document.documentElement.scrollWidth") <= 360
    colours = small.execute_script(
        "return [document.body, document.querySelector('.card'),"
        "document.querySelector('.tabulator-row')].map((e) => {"
        "const style = getComputedStyle(e); return [style.color, style.backgroundColor]; })"
    )
    for text, back in colours:
        assert contrast(text, back) >= 4.5
    dark = np.mean(channels(colours[0][1])) < 128
    assert dark == (scheme == "dark")
    small.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def channels(colour):
    return [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]


def contrast(first, second):
    """Contrast of WCAG 2.1."""
    luminance = []
    for colour in (first, second):
        c = np.array(channels(colour)) / 255
        linear = np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        luminance.append(linear @ [0.2126, 0.7152, 0.0722])
    return (max(luminance) + 0.05) / (min(luminance) + 0.05)


def accessibility_tree(page):
    """What a screen reader is told: role, name, properties and value of every node."""
    page.execute_cdp_cmd("Accessibility.enable", {})
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    page.execute_cdp_cmd("Accessibility.disable", {})
    return [
        {
            "role": node["role"]["value"],
            "name": node.get("name", {}).get("value", "").strip(),
            "description": node.get("description", {}).get("value", ""),
            **{p["name"]: p["value"].get("value") for p in node.get("properties", [])},
        }
        for node in nodes
        if not node.get("ignored")
    ]


CONTROLS = {"button", "link", "searchbox", "textbox", "combobox", "listbox", "checkbox", "grid"}


def test_every_control_has_a_name(small):
    seen = set()
    for opened in (None, "help-dialog", "other-dialog"):
        if opened:
            small.execute_script("document.getElementById(arguments[0]).showModal()", opened)
        tree = accessibility_tree(small)
        unnamed = [node for node in tree if node["role"] in CONTROLS and not node["name"]]
        assert unnamed == []
        seen |= {(node["role"], node["name"]) for node in tree}
        if opened:
            small.execute_script("document.getElementById(arguments[0]).close()", opened)
    assert seen >= {
        ("button", "Accept"),
        ("button", "Export CSV"),
        ("searchbox", "Filter"),
        ("combobox", "Sort by"),
        ("grid", "Label issues"),
        ("article", "Row 0"),
        ("table", "Estimated transition matrix"),
        ("image", "Map of the features"),
        ("dialog", "Keys"),
        ("checkbox", "Single keys decide and move"),
        ("dialog", "Other label"),
        ("listbox", "Labels"),
    }
    small.execute_script("document.getElementById('export-json').focus()")
    keys(small, "\ue004")
    assert small.execute_script("return document.activeElement.id") == "export-csv"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert small.execute_script(outline) == "solid"


def test_the_list_tells_a_screen_reader_position_and_state(small):
    small.execute_script("document.getElementById('list').focus()")
    keys(small, "ar")  # rows 0 and 1
    tree = accessibility_tree(small)
    grid = next(node for node in tree if node["role"] == "grid")
    assert grid["focused"]
    assert "arrows" in grid["description"]
    rows = [node for node in tree if node["role"] == "row" and "selected" in node]
    assert [node["selected"] for node in rows[:4]] == [False, False, True, False]
    assert rows[0]["name"].endswith("accepted")
    assert rows[1]["name"].endswith("kept given")
    assert next(n for n in tree if n["role"] == "columnheader" and n["name"] == "Quality")
    state = """
        const list = document.getElementById("list");
        const active = document.getElementById(list.getAttribute("aria-activedescendant"));
        return [active.querySelector(".tabulator-cell").textContent,
          active.getAttribute("aria-rowindex"), list.getAttribute("aria-rowcount")];
        """
    assert small.execute_script(state) == ["2", "4", "31"]  # the head is row 1
    keys(small, "\ue010")  # End; the list scrolls there
    wait_for(small, lambda d: d.execute_script(state) == ["29", "31", "31"])
    keys(small, "\ue011")  # Home
    wait_for(small, lambda d: d.execute_script(state) == ["0", "2", "31"])
    keys(small, "\ue00f")  # Page down
    assert small.execute_script(state) == ["10", "12", "31"]
    choose(small, "filter-state", "none")
    choose(small, "sort", "row:desc")
    keys(small, "\ue010")
    wait_for(small, lambda d: d.execute_script(state) == ["2", "29", "29"])
    places = small.execute_script(
        "return [...document.querySelectorAll('.tabulator-row')].map((row) =>"
        "[ITEMS[row.dataset.index].row, Number(row.getAttribute('aria-rowindex'))])"
    )
    assert places
    order = listed_rows(small)
    assert all(order[place - 2] == row for row, place in places)


def test_decisions_are_announced(small):
    live = next(
        node
        for node in accessibility_tree(small)
        if node["role"] == "status" and node["name"] == "" and node.get("live") == "polite"
    )
    assert live["atomic"]
    status = "return document.getElementById('announce').getAttribute('role')"
    assert small.execute_script(status) == "status"
    given = small.issues["given_label"].to_numpy()
    suggested = small.issues["corrected_label"].to_numpy()

    def row(place, state):
        return (
            f"{place + 1} of 30: row {place}, given {given[place]}, suggested "
            f"{suggested[place]}, quality {100 * place / 50:.2f} %, {state}"
        )

    keys(small, "j")
    assert text_of(small, "#announce") == row(1, "undecided")
    keys(small, "a")
    expected = f"Row 1: suggestion accepted. Next: {row(2, 'undecided')}"
    assert text_of(small, "#announce") == expected
    keys(small, "r")
    assert text_of(small, "#announce").startswith("Row 2: given label kept. Next: ")
    keys(small, "o")
    keys(small, "fox\ue007")
    assert text_of(small, "#announce").startswith("Row 3: labelled fox. Next: ")
    keys(small, "s")
    assert text_of(small, "#announce").startswith("Row 4: skipped. Next: ")
    keys(small, "kkk")
    assert text_of(small, "#announce") == row(2, "given label kept")
    keys(small, "u")
    assert text_of(small, "#announce") == f"Undone: {row(4, 'undecided')}"
    exported(small, "export-csv", "csv")
    assert text_of(small, "#announce") == "3 decisions exported as CSV."


def test_the_order_of_the_lowest_qualities_is_seen(page, tmp_path):
    issues = issue_table(6, ["cat", "dog"], 6)
    issues["label_quality"] = [2.88e-9, 3.78e-9, 0.00002077, 0.0123456, 0.99961, 1.0]
    open_page(page, tmp_path / "review.html", issues=issues)
    shown = "return [...document.querySelectorAll('.tabulator-row')].map((row) =>"
    shown += "row.querySelector('[tabulator-field=quality]').textContent)"
    assert page.execute_script(shown) == [
        "2.88e-7 %",
        "3.78e-7 %",
        "0.00208 %",
        "1.23 %",
        ">99.9 %",
        "100 %",
    ]
    assert text_of(page, ".labels").count("2.88e-7 %") == 1


def test_the_page_of_a_label_cleaner(page, tmp_path):
    issues = issue_table(40, ["cat", "dog", "fox"], 20)
    issues["decided_by"] = "neighbors"
    issues["easy_share_given"] = 0.25
    issues["neighbor_rows"] = [[(row + 1) % 40, (row + 2) % 40] for row in range(40)]
    features = np.random.default_rng(0).normal(size=(40, 5))
    words = {"issues": issues, "predicted_by": "all predictors", "features": features}
    open_page(page, tmp_path / "review.html", **words)
    evidence = page.execute_script(
        "return [...document.querySelectorAll('#card .evidence dt')].map((term) =>"
        "[term.textContent, term.nextElementSibling.textContent])"
    )
    evidence = dict(evidence)
    assert evidence["All predictors alone"] == f"{issues['corrected_label'][0]} 90 %"
    assert evidence["Suggestion follows"] == "the neighbours, not the regression"
    assert evidence["Easy neighbours' vote for the given label"] == "25 %"
    assert "Network alone" not in evidence
    near = page.execute_script(
        "return [...document.querySelectorAll('.neighbors li')].map((item) => item.textContent)"
    )
    given = issues["given_label"]
    assert [line.split(", similarity ")[0] for line in near] == [
        f"row {row}: given {given[row]}" for row in (1, 2)
    ]
    assert not page.execute_script("return document.getElementById('map-section').hidden")


def test_no_issues(page, tmp_path):
    issues = issue_table(5, ["cat", "dog"], 0)
    path = write_review_page(tmp_path / "review.html", issues=issues, losses=np.zeros(5))
    page.get(path.as_uri())
    wait_for(page, lambda d: d.find_elements("css selector", ".tabulator-placeholder"))
    assert text_of(page, "#card-title") == "No label issues"
    keys(page, "arsoujk")
    assert text_of(page, "#progress").startswith("0 of 0")


def test_twenty_thousand_issues_draw_a_screen_of_rows(page, tmp_path, record_property):
    """What keeps a long list quick: a screen of rows is in the document, whatever is done.

    The seconds are recorded, not compared: they are those of the machine.
    """
    n = 20_000
    issues = issue_table(n, [f"class {c}" for c in range(8)], n)
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(n, 8)).round(3)).add_prefix("column_")
    path = tmp_path / "review.html"
    # The map is tested above; here its time in Python would be most of the test.
    open_page(page, path, issues=issues, table=table)
    assert path.stat().st_size < 25e6
    figures = page.execute_script(
        """
        const done = (action) => {
          const start = performance.now();
          action();
          document.body.offsetHeight; // lays the page out
          return {
            milliseconds: Math.round(performance.now() - start),
            drawn: document.querySelectorAll(".tabulator-row").length,
            listed: visibleOrder().length,
            row: ITEMS[current].row,
          };
        };
        return {
          filter: done(() => { filters.text = "1.25"; applyFilters(listChanged); }),
          unfilter: done(() => { filters.text = ""; applyFilters(listChanged); }),
          sort: done(() => { applySort("quality:desc"); select(visibleOrder()[0]); }),
          next: done(() => ACTIONS.next()),
          accept: done(() => ACTIONS.accept()),
        };
        """
    )
    for name, figure in figures.items():
        record_property(name, figure["milliseconds"])
        assert figure["drawn"] < 200, name
    shown = table.astype(str).apply(lambda column: column.str.contains("1.25", regex=False))
    assert figures["filter"]["listed"] == shown.any(axis=1).sum()
    assert [figures[name]["listed"] for name in ("unfilter", "sort", "accept")] == [n, n, n]
    assert [figures[name]["row"] for name in ("sort", "next", "accept")] == [n - 1, n - 2, n - 3]
    assert text_of(page, "#progress").startswith("1 of 20,000")
