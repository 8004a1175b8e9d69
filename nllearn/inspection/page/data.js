// The data of the page, and how a row is named and shown. Text reaches the page by textContent
// alone, so markup in labels and texts stays text.
const DATA = JSON.parse(document.getElementById("data").textContent);

const byId = (id) => document.getElementById(id);

/** Make an element with a class and text or children. */
function make(tag, className, content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (Array.isArray(content)) element.append(...content);
  else if (content !== undefined && content !== null) element.textContent = String(content);
  return element;
}

/** Percent; what is rounded to nothing or to everything says so. */
function percent(value, digits = 0) {
  if (value === null || value === undefined) return "unknown";
  const least = 10 ** -digits;
  const text = (100 * value).toFixed(digits);
  if (value > 0 && Number(text) === 0) return `<${least} %`;
  if (value < 1 && Number(text) === 100) return `>${100 - least} %`;
  return `${text} %`;
}
const count = (value) => value.toLocaleString("en");

/** Percent of a quality: finer where it is low or nearly one, and never "0" for more than 0. */
function qualityText(value) {
  if (value === null || value === undefined) return "unknown";
  const part = 100 * value;
  if (part === 0 || part === 100) return `${part} %`;
  if (part < 0.01) return "<0.01 %";
  if (part > 99.9) return ">99.9 %";
  return `${part.toFixed(part < 0.995 ? 2 : part < 9.95 || part > 99 ? 1 : 0)} %`;
}

/** A bar from 0 to 1; what it says stands beside it as text. */
function barElement(value, paint) {
  const bar = make("span", "bar");
  bar.setAttribute("aria-hidden", "true");
  const filled = make("span");
  filled.style.width = `${100 * Math.max(0, Math.min(1, value ?? 0))}%`;
  if (paint) filled.style.background = paint;
  bar.append(filled);
  return bar;
}

/** From orange (bad) to blue (good): told apart with every kind of colour vision. */
function gradientColour(value) {
  const part = Math.max(0, Math.min(1, value ?? 0));
  const mix = (low, high) => Math.round(low + (high - low) * part);
  return `rgb(${mix(213, 0)}, ${mix(94, 114)}, ${mix(0, 178)})`;
}

const className = (code) => DATA.classes[code];
/** What a row is called: its file, its index, or its number. */
const rowName = (row) => (DATA.names && DATA.names[row] !== undefined ? DATA.names[row] : String(row));
/** The name alone: where a table has rows without a label, its rows have other numbers. */
const fullName = (row) => (rowName(row) === String(row) ? `Row ${row}` : rowName(row));

const contentOfRow = new Map();
if (DATA.content) {
  DATA.content.rows.forEach((row, i) => contentOfRow.set(row, DATA.content.values[i]));
}

/** Text or picture of a row, and its cells; one of the two may be missing. */
const leadOf = (value) =>
  (DATA.content.kind === "table" ? "" : Array.isArray(value) ? value[0] : value);
const cellsOf = (value) =>
  (DATA.content.kind === "table" ? value : Array.isArray(value) ? value.slice(1) : []);

/** One line that stands for a row in lists and in the search. */
function previewText(row) {
  const value = contentOfRow.get(row);
  if (value === undefined) return "";
  const cells = cellsOf(value).map((cell, i) => `${DATA.content.columns[i]} ${cell}`);
  return (DATA.content.kind === "texts" ? [leadOf(value), ...cells] : cells).join(" · ");
}

/** Small element for a row: picture or one line. */
function previewElement(row) {
  const value = contentOfRow.get(row);
  if (value !== undefined && DATA.content.kind === "images") {
    const image = make("img");
    image.src = leadOf(value);
    image.alt = "";
    return image;
  }
  return make("span", "preview", value === undefined ? "" : previewText(row).slice(0, 300));
}

/** Large element for a row: picture, whole text or all cells. */
function contentElement(row) {
  const box = make("div", "content");
  const value = contentOfRow.get(row);
  if (!DATA.content) return box;
  if (value === undefined) {
    box.append(make("p", "note", "Not in this file, which would have become too large."));
    return box;
  }
  if (DATA.content.kind === "images") {
    const image = make("img");
    image.src = leadOf(value);
    image.alt = `Picture of row ${rowName(row)}`;
    box.append(image);
  } else if (DATA.content.kind === "texts") {
    box.append(make("p", "text", leadOf(value)));
  }
  if (cellsOf(value).length) {
    const cells = make("dl", "evidence");
    cellsOf(value).forEach((cell, i) =>
      cells.append(make("dt", "", DATA.content.columns[i]), make("dd", "", cell)));
    box.append(cells);
  }
  return box;
}

// What the page holds; `index` is the position in DATA.listed.
const ITEMS = DATA.listed.row.map((row, index) => ({
  index,
  row,
  name: rowName(row),
  given: className(DATA.listed.given[index]),
  suggested: className(DATA.listed.corrected[index]),
  quality: DATA.listed.quality[index],
  decision: "",
}));

// The issues, which the list shows; behind them are rows that only the audit shows.
const ISSUES = DATA.audit ? ITEMS.slice(0, DATA.audit.n_listed) : ITEMS;
const isIssue = (index) => index < ISSUES.length;

/** Lower-case text that the search looks in; made when it is first needed. */
function searchText(item) {
  if (item.searchable === undefined) {
    item.searchable =
      `${item.name}\n${item.given}\n${item.suggested}\n${previewText(item.row)}`.toLowerCase();
  }
  return item.searchable;
}
