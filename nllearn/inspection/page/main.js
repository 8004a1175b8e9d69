// Ties the parts together: the current row, the keys, the filters, the dialogs.
let current = null; // position in ITEMS
let map = null;

function announce(text) {
  byId("announce").textContent = text;
}

function describe(index) {
  const item = ITEMS[index];
  const place = placeInList(index);
  const where = place === undefined ? "" : `${place + 1} of ${visibleOrder().length}: `;
  return `${where}row ${item.name}, given ${item.given}, suggested ${item.suggested}, ` +
    `quality ${finePercent(item.quality)}, ${spokenDecision(index)}`;
}

/** The decision about a row in words, without the sign that stands in the list. */
function spokenDecision(index) {
  const decision = decisions.get(index);
  if (!decision) return "undecided";
  return {
    accept: "suggestion accepted",
    reject: "given label kept",
    other: `labelled ${className(decision.code)}`,
    skip: "skipped",
  }[decision.action];
}

function showProgress() {
  byId("progress").textContent = `${count(decisions.size)} of ${count(ITEMS.length)} reviewed`;
}

function select(index, spoken = "") {
  const before = current;
  current = index;
  showCard(index);
  moveMark(before, index);
  if (index !== null && spoken !== null) announce(`${spoken}${describe(index)}`);
}

function move(step, spoken = "") {
  const shown = visibleOrder();
  if (!shown.length) return;
  const at = shown.indexOf(current);
  const next = Math.max(0, Math.min(shown.length - 1, at < 0 ? 0 : at + step));
  if (shown[next] === current) announce(`${spoken}${step > 0 ? "Last" : "First"} row of the list.`);
  else select(shown[next], spoken);
}

function decideCurrent(action, code) {
  const index = current;
  if (index === null) return;
  decide(index, action, code);
  refreshDecision(index);
  showProgress();
  showCard(index);
  move(1, `Row ${ITEMS[index].name}: ${spokenDecision(index)}. Next: `);
}

const ACTIONS = {
  accept: () => current !== null && decideCurrent("accept", DATA.listed.corrected[current]),
  reject: () => current !== null && decideCurrent("reject", DATA.listed.given[current]),
  skip: () => decideCurrent("skip", null),
  other: () => openOther(),
  undo: () => {
    const index = undo();
    if (index === null) return announce("Nothing to undo.");
    refreshDecision(index);
    showProgress();
    select(index, "Undone: ");
  },
  next: () => move(1),
  previous: () => move(-1),
};

// -- the list and its filters

function listChanged() {
  const shown = visibleOrder();
  const where = filters.brush ? ", selected on the map" : "";
  byId("count").textContent = `${count(shown.length)} of ${count(ITEMS.length)} issues${where}`;
  if (current === null || !shown.includes(current)) select(shown.length ? shown[0] : null, null);
  else moveMark(null, current);
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
  fillLabelFilter("filter-given", DATA.listed.given);
  fillLabelFilter("filter-suggested", DATA.listed.corrected);
  const bind = (id, name) => byId(id).addEventListener("change", (event) => {
    filters[name] = event.target.value;
    applyFilters(listChanged);
  });
  bind("filter-given", "given");
  bind("filter-suggested", "suggested");
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
    Object.assign(filters, { text: "", given: "", suggested: "", state: "", brush: null });
    byId("filters").querySelectorAll("select:not(#sort), input").forEach((field) => {
      field.value = "";
    });
    if (map) map.clear();
    applyFilters(listChanged);
  });
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
  "/": () => byId("search").focus(),
  "?": () => byId("help-dialog").showModal(),
};

// Only where the list has the focus: elsewhere they scroll the page.
const LIST_KEYS = {
  Home: () => move(-Infinity), End: () => move(Infinity),
  PageUp: () => move(-10), PageDown: () => move(10),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!byId("shortcuts").checked || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, select, textarea, pre, .scroll")) return;
  const inList = event.target.closest("#list") && Object.hasOwn(LIST_KEYS, event.key);
  const action = inList ? LIST_KEYS[event.key] : KEYS[event.key];
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
  if (ITEMS.length < n_issues) facts.push(["in the list", count(ITEMS.length)]);
  const shown = ITEMS.filter((item) => contentOfRow.has(item.row)).length;
  if (DATA.content && shown < ITEMS.length) {
    facts.push([`with ${DATA.content.kind}`, count(shown)]);
  }
  for (const [term, value] of facts) {
    byId("summary").append(make("div", "", [make("dt", "", term), make("dd", "", value)]));
  }
}

loadDecisions();
showSummary();
showProgress();
setUpFilters();
setUpDialogs();
for (const button of byId("actions").querySelectorAll("button")) {
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
    onSelect: (index) => select(index),
    onBrush: (found) => { filters.brush = found; applyFilters(listChanged); },
  });
}
