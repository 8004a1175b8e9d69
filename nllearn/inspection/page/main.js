// Ties the parts together: the current row, the keys, the filters, the dialogs.
let current = null; // position in ITEMS
let map = null;

function announce(text) {
  byId("announce").textContent = text;
}

function describe(index) {
  if (inAudit()) return describeAudit(index);
  const item = ITEMS[index];
  const place = placeInList(index);
  const where = place === undefined ? "" : `${place + 1} of ${count(visibleOrder().length)}: `;
  return `${where}${spokenName(item)}, ${item.given} to ${item.suggested}, ` +
    `quality ${qualityText(item.quality)}, ${decisionText(index) || "undecided"}`;
}

const spokenName = (item) =>
  (rowName(item.row) === String(item.row) ? `row ${item.row}` : item.name);

/** Progress bar, its words, and what undo would take back. */
function showProgress() {
  const counts = tally();
  const bar = byId("progress-bar");
  bar.setAttribute("aria-valuemax", String(ISSUES.length));
  bar.setAttribute("aria-valuenow", String(counts.reviewed));
  bar.replaceChildren(...["accept", "reject", "other", "skip"].map((action) => {
    const part = make("span", action);
    part.style.width = `${(100 * counts[action]) / Math.max(1, ISSUES.length)}%`;
    return part;
  }));
  const skipped = counts.skip ? `, ${count(counts.skip)} skipped` : "";
  byId("progress").textContent =
    `${count(counts.reviewed)} of ${count(ISSUES.length)} reviewed${skipped}`;
  const last = undoStack.at(-1);
  byId("undo").disabled = !last;
  byId("last-step").textContent = last ? `Last: ${last.text}` : "";
}

function select(index, spoken = "") {
  const before = current;
  current = index;
  showCard(index);
  if (inAudit()) {
    byId("card-place").textContent = auditPlaceText(index);
  } else {
    moveMark(before, index);
    const place = index === null ? undefined : placeInList(index);
    byId("card-place").textContent = place === undefined ? ""
      : `${count(place + 1)} of ${count(visibleOrder().length)}`;
  }
  if (index !== null && spoken !== null) announce(`${spoken}${describe(index)}`);
}

function move(step, spoken = "") {
  if (inAudit()) { moveInAudit(step, spoken); return; }
  const shown = visibleOrder();
  if (!shown.length) return;
  const at = current === null ? undefined : placeInList(current);
  const next = Math.max(0, Math.min(shown.length - 1, at === undefined ? 0 : at + step));
  if (shown[next] === current) announce(`${spoken}${step > 0 ? "Last" : "First"} row of the list.`);
  else select(shown[next], spoken);
}

function decideCurrent(action, code) {
  if (inAudit()) { answerInAudit(action, code); return; }
  const index = current;
  if (index === null) return;
  decideAbout([index], action, code);
  showCard(index);
  const { row } = ITEMS[index];
  const name = rowName(row) === String(row) ? `Row ${row}` : rowName(row);
  move(1, `${name}: ${decisionText(index)}. Next: `);
}

/** One step about one row or many, which one undo takes back. */
function decideAbout(indices, action, code) {
  decide(indices, action, code).text = indices.length === 1
    ? `${spokenName(ITEMS[indices[0]])}, ${decisionText(indices[0])}`
    : `${count(indices.length)} rows, ` +
      (action === "accept" ? "use the suggestions" : "keep the given labels");
  refreshDecisions(indices);
  showProgress();
  if (inAudit()) showAudit();
  else showBulk();
}

const undecidedOf = (indices) => indices.filter((index) => !decisions.has(index));

/** Decide all rows of a group that nobody decided yet. */
function decideMany(indices, action) {
  const open = undecidedOf(indices);
  if (!open.length) return;
  decideAbout(open, action, null);
  applyFilters(listChanged);
  if (current !== null) showCard(current);
  focusCurrent();
  announce(`${undoStack.at(-1).text}. Key u takes it back.`);
}

/** Give the focus to the current row when the button that had it is gone. */
function focusCurrent() {
  const tile = view === "grid" ? document.getElementById(`tile-${current}`) : byId("list");
  (inAudit() || !tile ? byId("card") : tile).focus({ preventScroll: true });
}

function undoLast() {
  const last = undo();
  if (!last) { announce("Nothing to undo."); return; }
  const indices = last.changes.map((change) => change.index);
  if (last.inAudit !== inAudit()) setView(last.inAudit ? "audit" : "list");
  refreshDecisions(indices);
  showProgress();
  if (indices.length > 1) {
    applyFilters(listChanged);
    if (current !== null) showCard(current);
    announce(`Undone: ${last.text}.`);
  } else {
    select(indices[0], "Undone: ");
    if (inAudit()) showAudit();
    else showBulk();
  }
  if (byId("undo").disabled && document.activeElement === byId("undo")) focusCurrent();
}

const ACTIONS = {
  accept: () => decideCurrent("accept", null),
  reject: () => decideCurrent("reject", null),
  skip: () => decideCurrent("skip", null),
  other: () => openOther(),
  undo: undoLast,
  next: () => move(1),
  previous: () => move(-1),
};

// -- the list and its filters

function listChanged() {
  if (inAudit()) return;
  order = null;
  const shown = visibleOrder();
  const where = filters.brush ? ", selected on the map" : "";
  byId("count").textContent = `${count(shown.length)} of ${count(ISSUES.length)} issues${where}`;
  showBulk();
  if (view === "grid") drawGrid();
  if (current === null || placeInList(current) === undefined) {
    select(shown.length ? shown[0] : null, null);
  } else {
    moveMark(null, current);
  }
}

/** Offer to decide all rows of the filter at once. */
function showBulk() {
  const n = isFiltered() ? undecidedOf(visibleOrder()).length : 0;
  byId("bulk").hidden = !n;
  byId("bulk-text").textContent = `${count(n)} undecided ${n === 1 ? "row" : "rows"} here:`;
}

function setView(name) {
  const wasAudit = inAudit();
  view = name;
  for (const one of ["list", "grid", "audit"]) {
    byId(`view-${one}`).setAttribute("aria-pressed", String(one === name));
  }
  byId("list-box").hidden = name !== "list";
  byId("grid").hidden = name !== "grid";
  byId("audit").hidden = name !== "audit";
  for (const id of ["filter-fold", "count-line"]) byId(id).hidden = name === "audit";
  if (name === "audit") { byId("bulk").hidden = true; openAudit(); return; }
  if (current !== null && !isIssue(current)) current = null;
  if (name === "list") table.redraw(true);
  listChanged();
  // The audit shows the card in another way.
  if (wasAudit && current !== null) select(current);
  // The grid begins with its largest group, wherever the list was.
  if (name === "grid" && current !== null) select(visibleOrder()[0]);
}

function leaveAudit() {
  if (inAudit()) setView("list");
}

/** Show only the rows of one given and one suggested label. */
function showOnly(given, suggested) {
  byId("filter-given").value = given;
  byId("filter-suggested").value = suggested;
  Object.assign(filters, { given: String(given), suggested: String(suggested) });
  applyFilters(listChanged);
  focusCurrent();
}

function fillLabelFilter(id, codes) {
  const counts = new Map();
  for (const code of codes) counts.set(code, (counts.get(code) || 0) + 1);
  const all = make("option", "", "all");
  all.value = "";
  byId(id).append(all);
  for (const code of [...counts.keys()].sort((a, b) => a - b)) {
    const option = make("option", "", `${className(code)} (${counts.get(code)})`);
    option.value = code;
    byId(id).append(option);
  }
}

function setUpFilters() {
  fillLabelFilter("filter-given", DATA.listed.given.slice(0, ISSUES.length));
  fillLabelFilter("filter-suggested", DATA.listed.corrected.slice(0, ISSUES.length));
  const bind = (id, name) => byId(id).addEventListener("change", (event) => {
    filters[name] = event.target.value;
    applyFilters(listChanged);
  });
  bind("filter-given", "given");
  bind("filter-suggested", "suggested");
  bind("filter-quality", "quality");
  bind("filter-state", "state");
  let timer = 0;
  const search = () => {
    clearTimeout(timer);
    filters.text = byId("search").value.trim().toLowerCase();
    applyFilters(listChanged);
  };
  byId("search").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 120);
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Escape" && event.key !== "Enter") return;
    if (event.key === "Escape") event.target.value = "";
    search();
    byId("card").focus();
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("sort").addEventListener("change", (event) => {
    applySort(event.target.value);
    listChanged();
  });
  byId("clear-filters").addEventListener("click", () => {
    Object.assign(filters, NO_FILTERS);
    byId("filters").querySelectorAll("select:not(#sort), input").forEach((field) => {
      field.value = "";
    });
    if (map) map.clear();
    applyFilters(listChanged);
    focusCurrent();
  });
  byId("bulk-accept").addEventListener("click", () => decideMany(visibleOrder(), "accept"));
  byId("bulk-reject").addEventListener("click", () => decideMany(visibleOrder(), "reject"));
  for (const name of ["list", "grid", "audit"]) {
    byId(`view-${name}`).addEventListener("click", () => setView(name));
  }
  // A small screen has no room for the filters until they are asked for.
  byId("filter-fold").open = !matchMedia("(max-width: 900px)").matches;
}

// -- dialogs

function fillOther() {
  const wanted = byId("other-search").value.trim().toLowerCase();
  const list = byId("other-list");
  list.replaceChildren();
  DATA.classes.forEach((name, code) => {
    if (!name.toLowerCase().includes(wanted)) return;
    const option = make("option", "", name);
    option.value = code;
    list.append(option);
  });
  list.selectedIndex = list.options.length ? 0 : -1;
  byId("other-ok").disabled = !list.options.length;
}

function openOther() {
  if (current === null) return;
  byId("other-search").value = "";
  fillOther();
  byId("other-dialog").showModal();
  byId("other-search").focus();
}

function takeOther() {
  const value = byId("other-list").value;
  byId("other-dialog").close();
  if (value !== "") decideCurrent("other", Number(value));
}

function setUpDialogs() {
  byId("other-search").addEventListener("input", fillOther);
  byId("other-search").addEventListener("keydown", (event) => {
    const list = byId("other-list");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    list.selectedIndex =
      Math.max(0, Math.min(list.options.length - 1, list.selectedIndex + step));
  });
  byId("other-list").addEventListener("dblclick", takeOther);
  byId("other-list").addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); takeOther(); }
  });
  byId("other-form").addEventListener("submit", (event) => { event.preventDefault(); takeOther(); });
  byId("other-cancel").addEventListener("click", () => byId("other-dialog").close());
  byId("show-help").addEventListener("click", () => byId("help-dialog").showModal());
  byId("help-close").addEventListener("click", () => byId("help-dialog").close());
}

// -- keys

const KEYS = {
  a: ACTIONS.accept, r: ACTIONS.reject, o: ACTIONS.other, s: ACTIONS.skip, u: ACTIONS.undo,
  j: ACTIONS.next, k: ACTIONS.previous, ArrowDown: ACTIONS.next, ArrowUp: ACTIONS.previous,
  g: () => setView(view === "list" ? "grid" : "list"),
  ...(AUDIT ? { c: () => { setView(inAudit() ? "list" : "audit"); focusCurrent(); } } : {}),
  "/": () => { leaveAudit(); byId("filter-fold").open = true; byId("search").focus(); },
  "?": () => byId("help-dialog").showModal(),
};

// Only where the list has the focus: elsewhere they scroll the page.
const LIST_KEYS = {
  Home: () => move(-Infinity), End: () => move(Infinity),
  PageUp: () => move(-10), PageDown: () => move(10),
};
const GRID_KEYS = { ArrowRight: ACTIONS.next, ArrowLeft: ACTIONS.previous };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!byId("shortcuts").checked || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, select, textarea, pre, .scroll")) return;
  const keys = { ...KEYS };
  if (event.target.closest("#list, #grid")) Object.assign(keys, LIST_KEYS);
  if (event.target.closest("#grid")) Object.assign(keys, GRID_KEYS);
  const action = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
  if (!action) return;
  event.preventDefault();
  action();
}

// -- start

function showSummary() {
  const { n_rows, n_issues, n_changed, noise_rate } = DATA.summary;
  const facts = [
    ["rows", count(n_rows)],
    ["label issues", `${count(n_issues)} (${percent(n_issues / Math.max(1, n_rows), 1)})`],
    ["labels changed", count(n_changed)],
  ];
  if (noise_rate !== null) facts.push(["estimated noise rate", percent(noise_rate, 1)]);
  if (ISSUES.length < n_issues) facts.push(["in the list", count(ISSUES.length)]);
  const shown = ISSUES.filter((item) => contentOfRow.has(item.row)).length;
  if (DATA.content && shown < ISSUES.length) {
    facts.push([`with ${DATA.content.kind}`, count(shown)]);
  }
  for (const [term, value] of facts) {
    byId("summary").append(make("div", "", [make("dt", "", term), make("dd", "", value)]));
  }
}

// The card and the list fill what the head leaves of the screen.
new ResizeObserver(([head]) => {
  document.documentElement.style.setProperty("--head", `${head.target.offsetHeight}px`);
}).observe(document.querySelector(".head"));
loadDecisions();
showSummary();
showProgress();
for (const element of document.querySelectorAll("[data-audit]")) element.hidden = !AUDIT;
setUpFilters();
setUpDialogs();
for (const button of document.querySelectorAll("[data-action]")) {
  button.addEventListener("click", () => ACTIONS[button.dataset.action]());
}
byId("export-json").addEventListener("click", () => {
  download(decisionsJson(), "application/json", "json");
  announce(`${decisions.size} decisions exported as JSON.`);
});
byId("export-csv").addEventListener("click", () => {
  download(decisionsCsv(), "text/csv", "csv");
  announce(`${decisions.size} decisions exported as CSV.`);
});
document.addEventListener("keydown", onKey);
buildList({ onSelect: (index) => select(index), onChange: listChanged });
showCharts();
if (DATA.listed.x) {
  map = showMap({
    onSelect: (index) => { leaveAudit(); select(index); },
    onBrush: (found) => { leaveAudit(); filters.brush = found; applyFilters(listChanged); },
  });
}
