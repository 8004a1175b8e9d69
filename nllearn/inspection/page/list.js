// The list: only the visible rows are in the document, so that 20,000 of them stay quick.
const { Tabulator, echarts } = frontEnd;
const filters = { text: "", given: "", suggested: "", state: "", brush: null };
let table = null;
let order = null; // positions of the rows that pass the filters, as sorted; null when outdated
let places = null; // from such a position to its number in the order

// Strings returned by a formatter would be read as HTML; elements are not.
const textCell = (cell) => make("span", "", cell.getValue());
const SHARED = { headerSortTristate: false };

/** Columns; a narrow screen has no room for those that the card shows as well. */
function listColumns(isNarrow) {
  // Wide enough for the titles.
  const [given, suggested, decision] = isNarrow ? [70, 80, 85] : [100, 122, 118];
  const columns = [
    { title: "Row", field: "name", width: 80, visible: !isNarrow, formatter: textCell,
      sorter: (a, b, rowA, rowB) => rowA.getData().row - rowB.getData().row },
    { title: "Given", field: "given", minWidth: given, sorter: "string", formatter: textCell },
    { title: "Suggested", field: "suggested", minWidth: suggested, sorter: "string",
      formatter: textCell },
    { title: "Quality", field: "quality", width: 105, visible: !isNarrow, sorter: "number",
      formatter: (cell) => make("span", "", finePercent(cell.getValue())) },
    { title: "Decision", field: "decision", minWidth: decision, sorter: "string",
      formatter: textCell },
  ];
  if (DATA.content) {
    const isImage = DATA.content.kind === "images";
    const isTable = DATA.content.kind === "table";
    columns.splice(1, 0, {
      title: isImage ? "Picture" : "Content", field: "row", headerSort: false,
      formatter: (cell) => previewElement(cell.getValue()),
      visible: !isNarrow || !isTable,
      ...(isImage ? { width: 80 } : { minWidth: 90, widthGrow: isTable ? 1 : 3 }),
    });
  }
  return columns.map((column) => ({ ...SHARED, ...column }));
}

function passes(item) {
  if (filters.brush && !filters.brush.has(item.index)) return false;
  if (filters.given !== "" && DATA.listed.given[item.index] !== Number(filters.given)) return false;
  if (filters.suggested !== "" &&
      DATA.listed.corrected[item.index] !== Number(filters.suggested)) return false;
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
    data: ITEMS,
    index: "index",
    height: "100%",
    layout: "fitColumns",
    columns: listColumns(narrow.matches),
    initialSort: [{ column: "quality", dir: "asc" }],
    rowHeight: 45,
    placeholder: ITEMS.length ? "No row passes the filters" : "No label issues were found",
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
    const row = index === null ? false : table.getRow(index);
    if (row) markRow(row.getElement(), index === after);
  }
  if (after === null) byId("list").removeAttribute("aria-activedescendant");
  if (after !== null && visibleOrder().includes(after)) {
    table.scrollToRow(after, "nearest", false).catch(() => {});
  }
}

function refreshDecision(index) {
  ITEMS[index].decision = decisionText(index);
  table.updateData([{ index, decision: ITEMS[index].decision }]);
}

function applyFilters(onChange) {
  const active = Object.values(filters).some((value) => value !== "" && value !== null);
  byId("clear-filters").hidden = !active;
  if (active) table.setFilter(passes);
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
