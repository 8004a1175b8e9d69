// The list: only the visible rows are in the document, so that 20,000 of them stay quick.
const { Tabulator, echarts } = frontEnd;
const filters = { text: "", given: "", suggested: "", state: "", brush: null };
let table = null;
let order = null; // positions of the rows that pass the filters, as sorted; null when outdated

// Strings returned by a formatter would be read as HTML; elements are not.
const textCell = (cell) => make("span", "", cell.getValue());
const SHARED = { headerSortTristate: false };

function listColumns() {
  const columns = [
    { title: "Row", field: "name", width: 90, formatter: textCell,
      sorter: (a, b, rowA, rowB) => rowA.getData().row - rowB.getData().row },
    { title: "Given", field: "given", minWidth: 80, sorter: "string", formatter: textCell },
    { title: "Suggested", field: "suggested", minWidth: 80, sorter: "string", formatter: textCell },
    { title: "Quality", field: "quality", width: 90, sorter: "number",
      formatter: (cell) => make("span", "", percent(cell.getValue(), 1)) },
    { title: "Decision", field: "decision", minWidth: 90, sorter: "string", formatter: textCell },
  ];
  if (DATA.content) {
    const isImage = DATA.content.kind === "images";
    columns.splice(1, 0, {
      title: isImage ? "Picture" : "Content", field: "row", headerSort: false,
      formatter: (cell) => previewElement(cell.getValue()),
      ...(isImage ? { width: 80 } : { minWidth: 90, widthGrow: 3 }),
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
  if (order === null) order = table.getData("active").map((item) => item.index);
  return order;
}

function buildList({ onSelect, onChange }) {
  const narrow = matchMedia("(max-width: 600px)");
  table = new Tabulator("#list", {
    data: ITEMS,
    index: "index",
    height: "100%",
    layout: "fitColumns",
    columns: listColumns(),
    rowHeight: 45,
    placeholder: ITEMS.length ? "No row passes the filters" : "No label issues were found",
    rowFormatter: (row) => markRow(row.getElement(), row.getData().index === current),
  });
  const resized = () => {
    for (const name of ["name", "quality"]) {
      if (narrow.matches) table.hideColumn(name);
      else table.showColumn(name);
    }
  };
  table.on("tableBuilt", () => {
    byId("list").setAttribute("aria-label", "Label issues");
    byId("list").querySelector(".tabulator-tableholder")
      .setAttribute("aria-label", "Rows; keys j and k move");
    if (narrow.matches) resized();
    narrow.addEventListener("change", resized);
    onChange();
  });
  table.on("rowClick", (event, row) => onSelect(row.getData().index));
  table.on("dataFiltered", () => { order = null; });
  table.on("dataSorted", (sorters) => { order = null; showSort(sorters); });
}

function markRow(element, isCurrent) {
  element.classList.toggle("is-current", isCurrent);
  element.setAttribute("aria-selected", String(isCurrent));
}

/** Mark another row as the current one and bring it into view. */
function moveMark(before, after) {
  for (const index of [before, after]) {
    const row = index === null ? false : table.getRow(index);
    if (row) markRow(row.getElement(), index === after);
  }
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
