"""The review page in a real browser: filter, sort, review by keyboard, reload, export, apply."""

import csv
import json

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
    small.find_element("css selector", '.tabulator-col[tabulator-field="quality"]').click()
    assert listed_rows(small) == expected
    assert small.find_element("id", "sort").get_attribute("value") == "quality:asc"
    choose(small, "sort", "row:desc")
    assert listed_rows(small) == expected[::-1]
    choose(small, "sort", "quality:asc")
    choose(small, "filter-quality", "0.1")  # row i has quality i / 50
    assert listed_rows(small) == [row for row in expected if row < 5]


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
    assert text_of(small, "#card-name") == "Row 10"
    # A skipped row is not reviewed.
    assert text_of(small, "#progress") == "9 of 30 reviewed, 1 skipped"
    assert "Undone" in text_of(small, "#announce")

    small.refresh()
    wait_for(small, lambda d: d.find_elements("css selector", ".tabulator-row.is-current"))
    assert text_of(small, "#progress") == "9 of 30 reviewed, 1 skipped"
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
    table = pd.DataFrame({HOSTILE[1]: texts[::-1], "place": range(12)})
    shown = {"texts": texts, "table": table}
    open_page(page, tmp_path / "review.html", issues=issues, title=HOSTILE[0], **shown)
    assert page.title == HOSTILE[0]
    assert text_of(page, "#card-name") == "<b>0</b>"
    title = f"{issues['given_label'].iloc[0]} to {issues['corrected_label'].iloc[0]}"
    assert text_of(page, "#card-title") == title
    assert text_of(page, ".content .text") == texts[0]
    # The cells of the table stand below the text, and are found by the search.
    cells = page.find_elements("css selector", ".content dl > *")
    assert [cell.get_property("textContent") for cell in cells] == [
        HOSTILE[1],
        texts[-1],
        "place",
        "0",
    ]
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
    exported_names = [one["name"] for one in json.loads(json_path.read_text())["decisions"]]
    assert exported_names == issues.index.tolist()
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


TEXTS = (
    "#summary dt, #progress, #last-step, #card-name, #card-title .from, #card-title .to, .plain,"
    ".quality-line, .text, .why dt, .bar-name, .more summary, .actions button, .count,"
    ".views button, .bulk, .tabulator-col-title, .change-labels, .change-row, .quality,"
    ".tabulator-row .mark, .group-head h3, .group-head .note, .tile-text, .note,"
    ".scroll th, footer p"
)
# Colour of the text and of what lies behind it, of everything on the screen.
COLOURS = """
    return [...document.querySelectorAll(arguments[0])]
      .filter((one) => one.checkVisibility() && one.textContent.trim() && !one.disabled)
      .map((one) => {
        let behind = one;
        while (/rgba.*, 0\\)/.test(getComputedStyle(behind).backgroundColor)) {
          behind = behind.parentElement;
        }
        return [one.className || one.id || one.tagName, getComputedStyle(one).color,
          getComputedStyle(behind).backgroundColor];
      });
    """


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_widths_and_colours(small, scheme, width):
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    small.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    small.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    small.refresh()
    wait_for(small, lambda d: d.find_elements("css selector", ".tabulator-row.is-current"))
    keys(small, "ars")
    choose(small, "filter-state", "reject")
    choose(small, "filter-state", "")
    choose(small, "filter-quality", "0.5")
    seen = set()
    for view in ("list", "grid"):
        small.find_element("id", f"view-{view}").click()
        assert small.execute_script("return document.documentElement.scrollWidth") <= width
        for name, text, back in small.execute_script(COLOURS, TEXTS):
            seen.add(name)
            assert contrast(text, back) >= 4.5, (name, text, back)
    assert len(seen) > 20
    # The decision is made without scrolling.
    box = small.find_element("css selector", "[data-action=accept]").rect
    assert box["y"] + box["height"] <= 844
    background = small.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (np.mean(channels(background)) < 128) == (scheme == "dark")
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
        ("button", f"Use {small.issues['corrected_label'][0]}"),
        ("button", f"Keep {small.issues['given_label'][0]}"),
        ("progressbar", "Reviewed"),
        ("meter", "Quality of the given label"),
        ("button", "Export CSV"),
        ("searchbox", "Filter"),
        ("combobox", "Sort by"),
        ("grid", "Label issues"),
        (
            "article",
            f"Row 0 {small.issues['given_label'][0]} to {small.issues['corrected_label'][0]}",
        ),
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
    assert rows[0]["name"].endswith(f"use {small.issues['corrected_label'][0]}")
    assert rows[1]["name"].endswith(f"keep {small.issues['given_label'][1]}")
    assert next(n for n in tree if n["role"] == "columnheader" and n["name"] == "Quality")
    state = """
        const list = document.getElementById("list");
        const active = document.getElementById(list.getAttribute("aria-activedescendant"));
        return [String(ITEMS[active.dataset.index].row),
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
        quality = 2 * place
        digits = 1 if 0 < quality < 10 else 0
        return (
            f"{place + 1} of 30: row {place}, {given[place]} to {suggested[place]}, "
            f"quality {quality:.{digits}f} %, {state}"
        )

    keys(small, "j")
    assert text_of(small, "#announce") == row(1, "undecided")
    keys(small, "a")
    expected = f"Row 1: use {suggested[1]}. Next: {row(2, 'undecided')}"
    assert text_of(small, "#announce") == expected
    keys(small, "r")
    assert text_of(small, "#announce").startswith(f"Row 2: keep {given[2]}. Next: ")
    keys(small, "o")
    keys(small, "fox\ue007")
    assert text_of(small, "#announce").startswith("Row 3: other: fox. Next: ")
    keys(small, "s")
    assert text_of(small, "#announce").startswith("Row 4: skipped. Next: ")
    assert text_of(small, "#last-step") == "Last: row 4, skipped"
    keys(small, "kkk")
    assert text_of(small, "#announce") == row(2, f"keep {given[2]}")
    keys(small, "u")
    assert text_of(small, "#announce") == f"Undone: {row(4, 'undecided')}"
    exported(small, "export-csv", "csv")
    assert text_of(small, "#announce") == "3 decisions exported as CSV."


def test_low_qualities_are_words_and_bars_and_stay_in_order(page, tmp_path):
    issues = issue_table(6, ["cat", "dog"], 6)
    issues["label_quality"] = [2.88e-9, 3.78e-9, 0.00002077, 0.0123456, 0.99961, 1.0]
    open_page(page, tmp_path / "review.html", issues=issues)
    shown = "return [...document.querySelectorAll('.tabulator-row')].map((row) =>"
    shown += "row.querySelector('[tabulator-field=quality]').textContent)"
    texts = ["<0.01 %", "<0.01 %", "<0.01 %", "1.2 %", ">99.9 %", "100 %"]
    assert page.execute_script(shown) == texts
    assert listed_rows(page) == list(range(6))
    assert "<0.01 %" in text_of(page, ".quality-line")
    widths = "return [...document.querySelectorAll('.tabulator-row .bar > span')]"
    widths = page.execute_script(widths + ".map((bar) => parseFloat(bar.style.width))")
    np.testing.assert_allclose(widths, 100 * issues["label_quality"], atol=1e-3)


def test_the_page_of_a_label_cleaner(page, tmp_path):
    issues = issue_table(40, ["cat", "dog", "fox"], 20)
    issues["decided_by"] = "neighbors"
    issues["boundary_quality"] = 0.25
    issues["neighbor_rows"] = [[(row + 1) % 40, (row + 2) % 40] for row in range(40)]
    features = np.random.default_rng(0).normal(size=(40, 5))
    words = {"issues": issues, "predicted_by": "all predictors", "features": features}
    open_page(page, tmp_path / "review.html", **words)
    evidence = page.execute_script(
        "return [...document.querySelectorAll('#card .evidence dt')].map((term) =>"
        "[term.textContent, term.nextElementSibling.textContent])"
    )
    evidence = dict(evidence)
    predictor = "All predictors, without the given label"
    assert evidence[predictor] == f"{issues['corrected_label'][0]} 90 %"
    assert evidence["Suggestion follows"] == "the neighbours, not the regression"
    assert evidence["Quality if noise lies at the class boundary"] == "25 %"
    assert not [name for name in evidence if "Network" in name]
    near = page.execute_script(
        "return [...document.querySelectorAll('.neighbors li')].map((item) => item.textContent)"
    )
    given = issues["given_label"]
    assert [line.split(", similarity ")[0] for line in near] == [
        f"row {row}: given {given[row]}" for row in (1, 2)
    ]
    assert not page.execute_script("return document.getElementById('map-section').hidden")
    why = page.execute_script(
        "return [...document.querySelectorAll('.why > div')].map((line) => line.textContent)"
    )
    suggested, votes = issues["corrected_label"][0], [given[1], given[2]]
    assert why[0] == f"All predictors{suggested}90 %"
    assert f"{suggested}{votes.count(suggested)} of 2" in why[1]
    assert f"{given[0]}{votes.count(given[0])} of 2" in why[1]
    assert why[2] == f"ReasonThe neighbours vote for {suggested}, the regression differs."
    # The rest is folded, and stays as the reviewer leaves it.
    unfolded = "return document.querySelector('.more').open"
    assert not page.execute_script(unfolded)
    page.find_element("css selector", ".more summary").click()
    keys(page, "j")
    assert page.execute_script(unfolded)


def test_a_filter_is_decided_at_once_and_taken_back_at_once(small):
    given = small.issues["given_label"].to_numpy()
    dogs = [row for row in range(30) if given[row] == "dog"]
    hidden = "return document.getElementById('bulk').hidden"
    assert small.execute_script(hidden)  # nothing is decided at once without a filter
    choose(small, "filter-given", "1")
    keys(small, "r")  # what is decided by hand stays
    assert text_of(small, "#bulk-text") == f"{len(dogs) - 1} undecided rows here:"
    small.find_element("id", "bulk-accept").click()
    # The button is gone; whoever works by keyboard goes on in the list.
    assert small.execute_script("return document.activeElement.id") == "list"
    assert text_of(small, "#progress") == f"{len(dogs)} of 30 reviewed"
    assert text_of(small, "#last-step") == f"Last: {len(dogs) - 1} rows, use the suggestions"
    assert small.execute_script(hidden)
    path = exported(small, "export-json", "json")
    labels, decided = apply_decisions_to(small.issues, path, undecided="given")
    assert np.flatnonzero(decided).tolist() == dogs
    expected = given.copy()
    expected[dogs[1:]] = small.issues["corrected_label"].to_numpy()[dogs[1:]]
    assert labels.tolist() == expected.tolist()
    small.find_element("id", "undo").click()
    assert text_of(small, "#progress") == "1 of 30 reviewed"
    small.find_element("id", "bulk-reject").click()
    choose(small, "filter-state", "reject")
    assert listed_rows(small) == dogs
    keys(small, "uu")
    assert text_of(small, "#progress") == "0 of 30 reviewed"
    assert not small.find_element("id", "undo").is_enabled()


def test_the_grid_groups_the_rows_by_given_and_suggested_label(small):
    table = small.issues[:30]
    pairs = table.groupby(["given_label", "corrected_label"]).size().sort_values(ascending=False)
    keys(small, "g")
    names = small.execute_script(
        "return [...document.querySelectorAll('.group')].map((group) => [group.querySelector('h3')"
        ".textContent, group.querySelectorAll('.tile').length])"
    )
    assert sorted(names) == sorted([f"{a} to {b}", n] for (a, b), n in pairs.items())
    assert [n for _, n in names] == pairs.tolist()
    # The order of the keys is the order on the screen.
    first = names[0][0].split(" to ")
    mask = (table["given_label"] == first[0]) & (table["corrected_label"] == first[1])
    assert listed_rows(small)[: names[0][1]] == np.flatnonzero(mask).tolist()
    tiles = [
        n for n in accessibility_tree(small) if n["role"] == "button" and "quality" in n["name"]
    ]
    assert len(tiles) == 30
    focusable = "return document.querySelectorAll('.tile[tabindex=\"0\"]').length"
    assert small.execute_script(focusable) == 1  # one stop of the Tab key
    small.execute_script("document.querySelector('.tile[aria-current]').focus()")
    keys(small, "a\ue014")  # decide, then the arrow to the right
    active = "return ITEMS[document.activeElement.dataset.index].row"
    assert small.execute_script(active) == listed_rows(small)[2]
    label = "return document.querySelector('.tile').getAttribute('aria-label')"
    assert small.execute_script(label).endswith(f"use {first[1]}")
    # All others of the group in one step.
    button = small.find_element("css selector", ".group-head button")
    assert button.text == f"Use {first[1]} for {names[0][1] - 1}"
    button.click()
    assert text_of(small, "#progress") == f"{names[0][1]} of 30 reviewed"
    assert small.execute_script("return document.activeElement.matches('.tile[aria-current]')")
    only = small.find_elements("css selector", ".group")[1].find_elements("css selector", "button")
    next(one for one in only if one.text == "Only these").click()
    assert text_of(small, "#count").startswith(f"{names[1][1]} of 30")
    keys(small, "g")
    assert len(listed_rows(small)) == names[1][1]


def test_the_grid_adds_tiles_and_groups_when_asked(page, tmp_path):
    classes = [f"class {c:02}" for c in range(40)]
    issues = issue_table(400, classes, 400)
    issues.loc[:99, ["given_label", "corrected_label"]] = ["class 00", "class 01"]
    open_page(page, tmp_path / "review.html", issues=issues, texts=[str(i) for i in range(400)])
    keys(page, "g")
    count = "return document.querySelectorAll(arguments[0]).length"
    assert page.execute_script(count, ".group") == 20
    first = page.find_element("css selector", ".group")
    assert len(first.find_elements("css selector", ".tile")) == 48
    first.find_elements("css selector", "button")[-1].click()
    at = "return visibleOrder().indexOf(Number(document.activeElement.dataset.index))"
    assert page.execute_script(at) == 48  # the first tile that was added
    size = (issues["given_label"] == "class 00").sum()
    assert page.execute_script(count, ".group:first-child .tile") == size
    page.find_element("css selector", "#grid > button").click()
    assert page.execute_script(count, ".group") == 40
    keys(page, "\ue010")  # End
    assert page.execute_script("return placeInList(current)") == 399


def test_the_map_takes_the_colour_of_any_column(page, tmp_path):
    rng = np.random.default_rng(0)
    issues = issue_table(50, ["cat", "dog"], 30)
    table = pd.DataFrame(
        {"price": np.arange(50.0), "city": np.array(["Rome", "Oslo"])[np.arange(50) % 2]}
    )
    open_page(
        page,
        tmp_path / "review.html",
        issues=issues,
        features=rng.normal(size=(50, 4)),
        table=table,
    )
    names = "return [...document.querySelectorAll('#map-colour option')].map((o) => o.textContent)"
    names = page.execute_script(names)
    assert {"given label", "suggested label", "label quality", "Easy row", "price", "city"} <= {
        *names
    }
    page.execute_script("document.getElementById('map-section').scrollIntoView()")
    wait_for(page, lambda d: d.find_elements("css selector", "#map canvas"))
    colours = """
        const chart = charts.find((entry) => entry.chart).chart;
        const { series } = mapOption();
        return series.map((one) => one.data.map((_, i) => one.itemStyle.color({ dataIndex: i })));
        """
    choose(page, "map-colour", "column:city")
    assert text_of(page, "#map-legend").count("Oslo") == 1
    listed, others = page.execute_script(colours)[::-1]
    assert len({*listed, *others}) == 2
    assert [colour == listed[0] for colour in listed] == [row % 2 == 0 for row in range(30)]
    assert [colour == listed[0] for colour in others] == [row % 2 == 0 for row in range(30, 50)]
    choose(page, "map-colour", "column:price")
    assert len(set(page.execute_script(colours)[1])) > 20


def test_a_row_without_another_suggestion_offers_no_use(page, tmp_path):
    issues = issue_table(4, ["cat", "dog"], 0).assign(is_label_issue=True)
    open_page(page, tmp_path / "review.html", issues=issues)
    use = page.find_element("css selector", "#actions [data-action=accept]")
    assert not use.is_displayed()
    assert text_of(page, "#card-title") == f"{issues['given_label'][0]}, no other label suggested"


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
    figures = page.execute_script(
        """
        const done = (action) => {
          const start = performance.now();
          action();
          document.body.offsetHeight;
          return [Math.round(performance.now() - start),
            document.querySelectorAll(".tile, .tabulator-row").length];
        };
        return {
          grid: done(() => setView("grid")),
          grid_next: done(() => ACTIONS.next()),
          grid_accept: done(() => ACTIONS.accept()),
          list: done(() => setView("list")),
          bulk: done(() => decideMany(visibleOrder(), "accept")),
          reject_late: done(() => ACTIONS.reject()),
          undo_one: done(() => ACTIONS.undo()),
          undo: done(() => ACTIONS.undo()),
        };
        """
    )
    for name, (milliseconds, drawn) in figures.items():
        record_property(name, milliseconds)
        assert drawn < 1500, name


def test_the_page_works_in_the_frame_of_a_notebook(page, tmp_path):
    """As a notebook shows it: inside another document, decided there and exported."""
    from selenium.webdriver.support.ui import WebDriverWait

    shown = write_review_page(None, issues=issue_table(30, ["cat", "dog"], 5))._repr_html_()
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!DOCTYPE html><title>Notebook</title>{shown}", encoding="utf-8")
    page.get(notebook.as_uri())
    page.switch_to.frame(0)
    WebDriverWait(page, 20).until(
        lambda d: d.execute_script("return document.querySelector('.tabulator-row.is-current')")
    )
    page.find_element("id", "use-label").click()
    text = page.find_element("css selector", ".progress").text
    assert "1 of 5 reviewed" in text
    page.switch_to.default_content()
