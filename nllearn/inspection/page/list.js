// The list: only the visible rows are in the document, so that 20,000 of them stay quick.
const { Tabulator, echarts } = frontEnd;
const NO_FILTERS = { text: "", given: "", suggested: "", quality: "", state: "", brush: null };
const filters = { ...NO_FILTERS };
let table = null;
let view = "list"; // or "grid" or "audit"
let order = null; // positions of the rows that pass the filters, as shown; null when outdated
let places = null; // from such a position to its number in the order

// Strings returned by a formatter would be read as HTML; elements are not.
const SHARED = { headerSortTristate: false };

/** Labels on one line, below them the name and what the row holds. */
function changeElement(item) {
  const labels = item.given === item.suggested
    ? [make("strong", "", item.given)]
    : [make("span", item.given.length > 4 ? "cut" : "", item.given), make("span", "plain", " to "),
      make("strong", "", item.suggested)];
  const named = rowName(item.row) === String(item.row) ? `row ${item.row}` : item.name;
  const preview = previewText(item.row).slice(0, 200);
  return make("div", "change", [
    make("div", "change-labels", labels),
    make("div", "change-row", preview ? `${named} · ${preview}` : named),
  ]);
}

function decisionElement(index, isNarrow) {
  const decision = decisions.get(index);
  const text = decisionText(index);
  if (!decision) return make("span", "", "");
  const mark = make("span", `mark ${decision.action}`, ACTION_MARKS[decision.action]);
  mark.setAttribute("aria-hidden", "true");
  const words = make("span", isNarrow ? "visually-hidden" : "", text);
  return make("span", "decision", [mark, " ", words]);
}

/** Columns; a narrow screen has no room for the words of the decision. */
function listColumns(isNarrow) {
  const isImage = DATA.content && DATA.content.kind === "images";
  const hidden = (field, sorter) => ({ title: field, field, sorter, visible: false });
  const columns = [
    ...(isImage ? [{ title: "Image", field: "row", headerSort: false, width: 68,
      formatter: (cell) => previewElement(cell.getValue()) }] : []),
    { title: "Suggestion", field: "suggested", sorter: "string", minWidth: 120, widthGrow: 3,
      formatter: (cell) => changeElement(cell.getData()) },
    { title: "Quality", field: "quality", sorter: "number", width: isNarrow ? 98 : 116,
      formatter: (cell) => make("span", "quality", [
        barElement(cell.getValue(), gradientColour(cell.getValue())),
        make("span", "", qualityText(cell.getValue())),
      ]) },
    { title: isNarrow ? "✓" : "Decision", field: "decision", sorter: "string",
      ...(isNarrow ? { width: 44 } : { minWidth: 110, widthGrow: 1 }),
      formatter: (cell) => decisionElement(cell.getData().index, isNarrow) },
    // For the choice of the order above the list.
    hidden("name", (a, b, rowA, rowB) => rowA.getData().row - rowB.getData().row),
    hidden("given", "string"),
  ];
  return columns.map((column) => ({ ...SHARED, ...column }));
}

function passes(item) {
  if (filters.brush && !filters.brush.has(item.index)) return false;
  if (filters.given !== "" && DATA.listed.given[item.index] !== Number(filters.given)) return false;
  if (filters.suggested !== "" &&
      DATA.listed.corrected[item.index] !== Number(filters.suggested)) return false;
  if (filters.quality !== "" && !(item.quality < Number(filters.quality))) return false;
  if (filters.state !== "") {
    const decision = decisions.get(item.index);
    if ((decision ? decision.action : "none") !== filters.state) return false;
  }
  return filters.text === "" || searchText(item).includes(filters.text);
}

/** Positions of the rows that pass the filters, in the order of the list. */
function visibleOrder() {
  if (order === null) {
    order = table.getData("active").map((item) => item.index);
    if (view === "grid") order = groupsOf(order).flatMap((group) => group.indices);
    places = new Map(order.map((index, place) => [index, place]));
  }
  return order;
}

/** Number of a row among those that pass the filters, from 0; undefined where it does not. */
function placeInList(index) {
  visibleOrder();
  return places.get(index);
}

function buildList({ onSelect, onChange }) {
  const narrow = matchMedia("(max-width: 600px)");
  table = new Tabulator("#list", {
    data: ISSUES,
    index: "index",
    height: "100%",
    layout: "fitColumns",
    columns: listColumns(narrow.matches),
    initialSort: [{ column: "quality", dir: "asc" }],
    // A narrow screen breaks two long labels into two lines.
    rowHeight: narrow.matches ? 72 : 54,
    placeholder: ISSUES.length ? "No row passes the filters" : "No label issues were found",
    rowFormatter: (row) => nameRow(row.getElement(), row.getData().index),
  });
  table.on("tableBuilt", () => {
    nameList();
    narrow.addEventListener("change", () => {
      table.setColumns(listColumns(narrow.matches));
      applySort(byId("sort").value);
    });
    onChange();
  });
  table.on("rowClick", (event, row) => {
    byId("list").focus({ preventScroll: true });
    onSelect(row.getData().index);
  });
  table.on("dataFiltered", () => { order = null; });
  table.on("dataSorted", (sorters) => { order = null; showSort(sorters); });
}

/** Make the list one stop of the Tab key that tells a screen reader its current row. */
function nameList() {
  const list = byId("list");
  list.tabIndex = 0;
  list.setAttribute("aria-label", "Label issues");
  list.setAttribute("aria-describedby", "list-hint");
  list.querySelector(".tabulator-tableholder").tabIndex = -1;
  // Rows come and go as the list scrolls; each says where it stands in the whole list.
  new MutationObserver(numberRows)
    .observe(list.querySelector(".tabulator-table"), { childList: true });
  numberRows();
}

function numberRows() {
  byId("list").setAttribute("aria-rowcount", String(visibleOrder().length + 1));
  for (const element of byId("list").querySelectorAll(".tabulator-row")) {
    const place = placeInList(Number(element.dataset.index));
    // The head of the list is row 1.
    if (place !== undefined) element.setAttribute("aria-rowindex", String(place + 2));
  }
}

function nameRow(element, index) {
  element.id = `issue-${index}`;
  element.dataset.index = String(index);
  markRow(element, index === current);
}

function markRow(element, isCurrent) {
  element.classList.toggle("is-current", isCurrent);
  element.setAttribute("aria-selected", String(isCurrent));
  if (isCurrent) byId("list").setAttribute("aria-activedescendant", element.id);
}

/** Mark another row as the current one and bring it into view. */
function moveMark(before, after) {
  for (const index of [before, after]) {
    const row = index !== null && isIssue(index) && table.getRow(index);
    if (row) markRow(row.getElement(), index === after);
  }
  if (after === null) byId("list").removeAttribute("aria-activedescendant");
  if (after === null || placeInList(after) === undefined) return;
  if (view === "grid") markTile(before, after);
  else table.scrollToRow(after, "nearest", false).catch(() => {});
}

// Above so many rows it is quicker to draw the list anew than to update every row.
const MOST_UPDATES = 200;

/** Show the decisions about some rows in the list and in the grid. */
function refreshDecisions(indices) {
  for (const index of indices) ITEMS[index].decision = decisionText(index);
  const listed = indices.filter(isIssue);
  if (!listed.length) return;
  if (listed.length <= MOST_UPDATES) {
    table.updateData(listed.map((index) => ({ index, decision: ITEMS[index].decision })));
  } else {
    table.replaceData(ISSUES);
  }
  if (view === "grid") refreshTiles(indices);
}

const isFiltered = () => Object.values(filters).some((value) => value !== "" && value !== null);

function applyFilters(onChange) {
  byId("clear-filters").hidden = !isFiltered();
  if (isFiltered()) table.setFilter(passes);
  else table.clearFilter();
  onChange();
}

function applySort(value) {
  const [field, direction] = value.split(":");
  if (direction) table.setSort(field === "row" ? "name" : field, direction);
}

/** Let the choice above the list tell what a click on a column header did. */
function showSort(sorters) {
  if (!sorters.length) return;
  const field = sorters[0].field === "name" ? "row" : sorters[0].field;
  const value = `${field}:${sorters[0].dir}`;
  const known = [...byId("sort").options].some((option) => option.value === value);
  byId("sort").value = known ? value : "custom";
}
