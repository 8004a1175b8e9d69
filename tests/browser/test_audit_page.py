"""The audit on the review page: answer by keyboard, the interval, the export, and Python's word."""

import numpy as np
import pandas as pd
import pytest

from nllearn.audit import AuditedLabels, audit_labels, draw_audit_sample
from nllearn.functional.audit import bound_totals
from nllearn.inspection import apply_decisions_to, audit_answers, write_review_page

pytestmark = pytest.mark.xdist_group("browser")

CLASSES = np.array(["cat", "dog", "fox"])
N, N_SAMPLE = 300, 40


def wait_for(page, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(page, 20, poll_frequency=0.05).until(condition)


def press(page, *keys):
    """Press keys where the focus is."""
    page.execute_script(
        "for (const key of arguments) document.activeElement.dispatchEvent("
        "new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));",
        *keys,
    )


def text_of(page, css):
    return page.execute_script("return document.querySelector(arguments[0]).textContent", css)


def current_row(page):
    return page.execute_script("return ITEMS[current].row")


def is_hidden(page, element_id):
    return page.execute_script("return document.getElementById(arguments[0]).hidden", element_id)


def open_file(page, path):
    page.get(path.as_uri())
    wait_for(page, lambda d: d.find_elements("css selector", ".tabulator-row.is-current"))


class World:
    """Labels of three classes; a changed label was wrong in five of six cases, others in few."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.given = rng.integers(0, 3, N)
        self.corrected = self.given.copy()
        self.corrected[:90] = (self.given[:90] + 1) % 3
        quality = np.sort(rng.beta(1, 1, N))
        self.true = np.where(rng.random(N) < 0.05, (self.given + 2) % 3, self.given)
        mended = rng.random(90) < 0.8
        self.true[:90] = np.where(mended, self.corrected[:90], self.true[:90])
        self.issues = pd.DataFrame(
            {
                "is_label_issue": self.corrected != self.given,
                "label_quality": quality,
                "given_label": CLASSES[self.given],
                "corrected_label": CLASSES[self.corrected],
                "predicted_label": CLASSES[self.corrected],
                "predicted_proba": 0.9,
            }
        )
        self.audited = AuditedLabels(self.given, self.corrected, quality, CLASSES)
        self.rows = draw_audit_sample(self.audited, N_SAMPLE, random_state=0)

    def write(self, path, **options):
        rng = np.random.default_rng(0)
        return write_review_page(
            path,
            issues=self.issues,
            audit_rows=self.rows,
            audit_strata=self.audited.strata,
            texts=[f"text number {i}" for i in range(N)],
            features=rng.normal(size=(N, 4)),
            **options,
        )

    def answer(self, page, n):
        """Answer for the next n rows by key."""
        for _ in range(n):
            row = current_row(page)
            if self.true[row] == self.given[row]:
                press(page, "r")
            elif self.true[row] == self.corrected[row]:
                press(page, "a")
            else:
                press(page, "o")
                page.execute_script(
                    "byId('other-search').value = arguments[0]; fillOther(); takeOther();",
                    str(CLASSES[self.true[row]]),
                )


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture
def audit(page, world, tmp_path):
    """The page with the audit open."""
    open_file(page, world.write(tmp_path / "review.html"))
    press(page, "c")
    return page


def intervals_of(page):
    """Noise rate and share of wrong labels among the changed rows, as the page has them."""
    return page.execute_script(
        "return ['all', 'changed'].map((name) => {"
        "  const { value, low, high } = auditInterval(name, answeredPlaces());"
        "  return [value, low, high];"
        "})"
    )


def exported(page, ending):
    page.find_element("id", f"export-{ending}").click()
    path = wait_for(page, lambda _: next(page.downloads.glob(f"*.{ending}"), None))
    return path.rename(path.with_name(f"{len(list(page.downloads.iterdir()))}.{ending}"))


def test_the_sample_comes_in_its_order_and_both_intervals_agree_with_python(audit, world):
    widths = []
    for done, n in ((5, 5), (15, 10), (N_SAMPLE, N_SAMPLE - 15)):
        world.answer(audit, n)
        rows = world.rows[:done]
        python = audit_labels(world.audited, rows, CLASSES[world.true[rows]])
        shown = intervals_of(audit)
        np.testing.assert_allclose(shown[0], python.noise_rate, atol=0.02)
        np.testing.assert_allclose(shown[1], python.precision(), atol=0.02)
        assert text_of(audit, "#audit-checked") == f"{done} of {N_SAMPLE} checked"
        widths.append(shown[0][2] - shown[0][1])
        # What is written is what was computed.
        value, low, high = (f"{100 * part:.1f} %" for part in shown[0])
        assert f"{value} ({low} to {high})" in text_of(audit, "#audit-result")
        assert f"{value} ({low} to {high})" in text_of(audit, "#card-place")
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.25

    for ending in ("json", "csv"):
        path = exported(audit, ending)
        rows, labels = audit_answers(world.issues, path)
        assert rows.tolist() == sorted(world.rows.tolist())
        assert labels.tolist() == CLASSES[world.true[rows]].tolist()
        python = audit_labels(world.audited, rows, labels)
        np.testing.assert_allclose(intervals_of(audit)[0], python.noise_rate, atol=0.02)
        # The answers are decisions too.
        final, decided = apply_decisions_to(world.issues, path)
        assert np.flatnonzero(decided).tolist() == rows.tolist()
        assert final[rows].tolist() == labels.tolist()


SHARE_WRONG = """
    const { value, low, high } =
      shareWrong({ sizes: arguments[0], seen: arguments[1], wrong: arguments[2],
        expected: arguments[0].map(() => 0.5) });
    return [low, high];
    """


@pytest.mark.parametrize(
    ("sizes", "seen", "wrong"),
    [
        ([500], [20], [6]),
        ([500], [20], [0]),
        ([40, 30], [0, 10], [0, 10]),
        ([12, 300, 1000, 4000], [12, 9, 8, 11], [10, 4, 1, 0]),
        ([0, 60, 0, 900], [0, 7, 0, 20], [0, 7, 0, 2]),
        ([200_000, 800_000], [30, 60], [25, 1]),
    ],
)
def test_the_bounds_are_those_of_python(audit, sizes, seen, wrong):
    strata = np.repeat(np.arange(len(sizes)), seen)
    values = np.concatenate([np.arange(s) < w for s, w in zip(seen, wrong, strict=True)]) * 1.0
    python = [
        bound_totals(values, strata, np.array(sizes), alpha=0.025, upper=upper)[0] / sum(sizes)
        for upper in (False, True)
    ]
    np.testing.assert_allclose(
        audit.execute_script(SHARE_WRONG, sizes, seen, wrong), python, atol=0.02
    )


def test_only_answers_of_the_audit_count(audit, world):
    press(audit, "c")  # to the list
    in_both = [row for row in world.rows.tolist() if world.issues["is_label_issue"][row]]
    press(audit, *"a" * 20)
    assert text_of(audit, "#progress") == "20 of 90 reviewed"
    press(audit, "c")
    assert text_of(audit, "#audit-checked") == f"0 of {N_SAMPLE} checked"
    world.answer(audit, 6)
    rows, _ = audit_answers(world.issues, exported(audit, "csv"))
    assert sorted(world.rows[:6].tolist()) == rows.tolist()
    # An answer that is changed in the list stays one.
    first = next(row for row in world.rows[:6].tolist() if row in in_both)
    press(audit, "c")
    audit.execute_script("select(ITEMS.find((one) => one.row === arguments[0]).index)", first)
    press(audit, "r")
    rows, labels = audit_answers(world.issues, exported(audit, "json"))
    assert len(rows) == 6
    assert labels[rows.tolist().index(first)] == world.issues["given_label"][first]


def test_skip_undo_moves_and_a_reload(audit, world):
    assert current_row(audit) == world.rows[0]
    press(audit, "r", "s", "r")
    assert text_of(audit, "#audit-checked") == f"2 of {N_SAMPLE} checked, 1 skipped"
    before = intervals_of(audit)
    press(audit, "j", "j")  # no row is passed over
    assert current_row(audit) == world.rows[3]
    press(audit, "k", "k", "k", "k")
    assert current_row(audit) == world.rows[0]
    press(audit, "j")
    assert current_row(audit) == world.rows[1]
    press(audit, "r")  # the skipped row has an answer now
    assert text_of(audit, "#audit-checked") == f"3 of {N_SAMPLE} checked"
    assert current_row(audit) == world.rows[3]
    press(audit, "u")
    assert current_row(audit) == world.rows[1]
    assert intervals_of(audit) == before
    # A step of the list is taken back in the list, and one of the audit in the audit.
    press(audit, "c", "a", "c", "u")
    assert is_hidden(audit, "audit") and not is_hidden(audit, "list-box")
    press(audit, "u")
    assert not is_hidden(audit, "audit")
    assert text_of(audit, "#audit-checked") == f"1 of {N_SAMPLE} checked, 1 skipped"
    rows, _ = audit_answers(world.issues, exported(audit, "json"))
    assert rows.tolist() == [world.rows[0]]

    audit.refresh()
    wait_for(audit, lambda d: d.find_elements("css selector", ".tabulator-row.is-current"))
    press(audit, "c")
    assert text_of(audit, "#audit-checked") == f"1 of {N_SAMPLE} checked, 1 skipped"
    assert current_row(audit) == world.rows[2]
    wait_for(audit, lambda d: d.execute_script("return auditTrail().length") == 2)


def test_rows_of_the_audit_alone_are_in_no_other_view(audit, world):
    n_issues = int(world.issues["is_label_issue"].sum())
    assert audit.execute_script("return ITEMS.length") > n_issues
    world.answer(audit, N_SAMPLE)
    assert "All rows of the sample have an answer" in text_of(audit, "#announce")
    press(audit, "c")
    assert audit.execute_script("return visibleOrder().length") == n_issues
    assert text_of(audit, "#count") == f"{n_issues} of {n_issues} issues"
    n_both = sum(world.issues["is_label_issue"][world.rows])
    assert text_of(audit, "#progress") == f"{n_both} of {n_issues} reviewed"
    press(audit, "g")
    assert audit.execute_script("return document.querySelectorAll('.tile').length") == n_issues
    assert audit.execute_script("return DATA.listed.x.length") == n_issues
    press(audit, "c", "/")  # the filter is beside the list
    assert is_hidden(audit, "audit") and not is_hidden(audit, "filter-fold")


def test_the_card_leads_to_no_answer(audit, world):
    place = next(i for i, row in enumerate(world.rows) if world.issues["is_label_issue"][row])
    world.answer(audit, place)
    given, suggested = (
        world.issues[name][world.rows[place]] for name in ("given_label", "corrected_label")
    )
    assert text_of(audit, "#card-title") == f"{given} or {suggested}?"
    assert text_of(audit, ".content .text") == f"text number {world.rows[place]}"
    assert not audit.find_elements("css selector", ".quality-line, .why, .more")
    looks = audit.execute_script(
        "return [...document.querySelectorAll('#actions button')].slice(0, 2).map((one) =>"
        "[one.textContent.trim(), getComputedStyle(one).backgroundColor])"
    )
    assert [name.removesuffix(" a").removesuffix(" r") for name, _ in looks] == [
        f"{suggested} is right",
        f"{given} is right",
    ]
    assert looks[0][1] == looks[1][1]
    press(audit, "a", "k")
    assert audit.find_elements("css selector", ".quality-line")
    press(audit, "c")
    assert text_of(audit, "#use-label").startswith("Use ")


def test_every_answer_is_announced_with_the_interval(audit, world):
    live = "return document.getElementById('announce').getAttribute('aria-live')"
    assert audit.execute_script(live) == "polite"
    assert audit.execute_script("return document.activeElement.id") == "card"
    row = world.rows[0]
    press(audit, "r")
    said = text_of(audit, "#announce")
    value, low, high = (f"{100 * part:.1f} %" for part in intervals_of(audit)[0])
    assert said.startswith(
        f"row {row}: keep {world.issues['given_label'][row]}. 1 of {N_SAMPLE} checked, "
        f"noise rate {value}, between {low} and {high}. Next: 2 of {N_SAMPLE}: "
        f"row {world.rows[1]}, "
    )
    pressed = "return document.getElementById('view-audit').getAttribute('aria-pressed')"
    assert audit.execute_script(pressed) == "true"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_the_audit_fits_and_its_words_can_be_read(audit, world, scheme, width):
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    audit.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    audit.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    world.answer(audit, 3)
    assert audit.execute_script("return document.documentElement.scrollWidth") <= width
    audit.execute_script("document.getElementById('audit-chart').scrollIntoView()")
    wait_for(audit, lambda d: d.find_elements("css selector", "#audit-chart canvas"))
    faint = audit.execute_script(
        """
        const light = (colour) => {
          const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const c = part / 255;
            return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        return [...document.querySelectorAll(
          "#audit h2, #audit dt, #audit strong, #audit .note, #audit-checked, #card-place,"
          + "#card-title span, #actions button, #view-audit")]
          .filter((one) => {
            let behind = one;
            while (/rgba.*, 0\\)/.test(getComputedStyle(behind).backgroundColor)) {
              behind = behind.parentElement;
            }
            const [dark, bright] = [getComputedStyle(one).color,
              getComputedStyle(behind).backgroundColor].map(light).sort((a, b) => a - b);
            return one.checkVisibility() && (bright + 0.05) / (dark + 0.05) < 4.5;
          })
          .map((one) => one.textContent);
        """
    )
    assert faint == []
    audit.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_page_without_an_audit_offers_none(page, world, tmp_path):
    open_file(page, write_review_page(tmp_path / "r.html", issues=world.issues))
    press(page, "c")
    assert is_hidden(page, "audit") and is_hidden(page, "view-audit")


def test_a_page_without_issues_still_has_its_audit(page, world, tmp_path):
    issues = world.issues.assign(is_label_issue=False, corrected_label=world.issues["given_label"])
    path = write_review_page(
        tmp_path / "r.html",
        issues=issues,
        audit_rows=world.rows[:5],
        audit_strata=world.audited.strata,
    )
    page.get(path.as_uri())
    wait_for(page, lambda d: d.find_elements("css selector", ".tabulator-placeholder"))
    press(page, "c", "r", "r")
    assert text_of(page, "#audit-checked") == "2 of 5 checked"
    assert "changed rows" not in text_of(page, "#audit-result")
    press(page, "c")
    assert text_of(page, "#card-title") == "No label issues"


def test_another_page_of_the_same_run_keeps_the_answers(audit, world, tmp_path):
    world.answer(audit, 12)
    open_file(audit, write_review_page(tmp_path / "plain.html", issues=world.issues))
    press(audit, "a")
    open_file(audit, tmp_path / "review.html")
    press(audit, "c")
    assert text_of(audit, "#audit-checked") == f"12 of {N_SAMPLE} checked"
