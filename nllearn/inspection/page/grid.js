// The grid: rows by given and suggested label, the largest group first. A part of it is in the
// document; buttons add more.
const GROUPS_STEP = 20;
const TILES_STEP = 48;
const TILES_MORE = 480;
const EDGE = 8; // pixels between a current tile and the edge of the grid
let groupsShown = GROUPS_STEP;
const tilesShown = new Map(); // key of a group -> number of its tiles in the document

/** Positions in the order of the list, by given and suggested label. */
function groupsOf(indices) {
  const groups = new Map();
  for (const index of indices) {
    const given = DATA.listed.given[index], suggested = DATA.listed.corrected[index];
    const key = `${given}:${suggested}`;
    if (!groups.has(key)) groups.set(key, { key, given, suggested, indices: [] });
    groups.get(key).indices.push(index);
  }
  return [...groups.values()].sort((a, b) => b.indices.length - a.indices.length);
}

function tileName(index) {
  const item = ITEMS[index];
  return `${spokenName(item)}, quality ${qualityText(item.quality)}, ` +
    (decisionText(index) || "undecided");
}

function tileElement(index) {
  const isImage = DATA.content && DATA.content.kind === "images";
  const item = ITEMS[index];
  const tile = make("button", "tile");
  tile.type = "button";
  tile.id = `tile-${index}`;
  tile.dataset.index = String(index);
  if (isImage && contentOfRow.has(item.row)) tile.append(previewElement(item.row));
  else tile.append(make("span", "tile-text", previewText(item.row).slice(0, 160) || item.name));
  tile.append(make("span", "tile-mark"));
  fillTile(tile);
  return tile;
}

/** What changes about a tile: its name, its mark, and whether it is the current one. */
function fillTile(tile) {
  const index = Number(tile.dataset.index);
  const decision = decisions.get(index);
  tile.setAttribute("aria-label", tileName(index));
  tile.title = tileName(index);
  tile.tabIndex = index === current ? 0 : -1;
  if (index === current) tile.setAttribute("aria-current", "true");
  else tile.removeAttribute("aria-current");
  const mark = tile.querySelector(".tile-mark");
  mark.textContent = decision ? ACTION_MARKS[decision.action] : "";
  mark.className = `tile-mark mark ${decision ? decision.action : ""}`;
}

function actionButton(content, look, action) {
  const button = make("button", look, content);
  button.type = "button";
  button.addEventListener("click", action);
  return button;
}

/** "Use X for 8": a long label is cut, the number is not. */
const aboutMany = (verb, label, n) => [`${verb} `, make("span", "label", label), ` for ${count(n)}`];

/** Count of a group, and its buttons while some of its rows are undecided. */
function fillGroupHead(head, group) {
  const given = className(group.given), suggested = className(group.suggested);
  const open = undecidedOf(group.indices).length;
  const n = group.indices.length;
  const title = make("h3", "", given === suggested
    ? [make("strong", "", given)]
    : [given, make("span", "plain", " to "), make("strong", "", suggested)]);
  const rows = `${count(n)} ${n === 1 ? "row" : "rows"}`;
  const parts = [title, make("span", "note", open < n ? `${rows}, ${count(open)} undecided` : rows)];
  if (open && given !== suggested) {
    parts.push(actionButton(aboutMany("Use", suggested, open), "small",
      () => decideMany(group.indices, "accept")));
  }
  if (open) {
    parts.push(actionButton(aboutMany("Keep", given, open), "small",
      () => decideMany(group.indices, "reject")));
  }
  if (filters.given === "" || filters.suggested === "") {
    const only = actionButton("Only these", "small",
      () => showOnly(group.given, group.suggested));
    only.setAttribute("aria-label", `Show only ${given} to ${suggested}`);
    parts.push(only);
  }
  head.replaceChildren(...parts);
}

function groupElement(group) {
  const shown = tilesShown.get(group.key) || TILES_STEP;
  const head = make("div", "group-head");
  fillGroupHead(head, group);
  const isImage = DATA.content && DATA.content.kind === "images";
  const tiles = make("div", isImage ? "tiles" : "tiles words",
    group.indices.slice(0, shown).map(tileElement));
  const box = make("section", "group", [head, tiles]);
  box.dataset.key = group.key;
  box.setAttribute("aria-label", `${className(group.given)} to ${className(group.suggested)}`);
  const rest = group.indices.length - shown;
  if (rest > 0) {
    box.append(actionButton(`Show ${count(Math.min(rest, TILES_MORE))} more`, "small",
      () => {
        tilesShown.set(group.key, shown + TILES_MORE);
        drawGrid();
        document.getElementById(`tile-${group.indices[shown]}`).focus();
      }));
  }
  return box;
}

let groups = [];

function drawGrid() {
  groups = groupsOf(visibleOrder());
  const box = byId("grid");
  const parts = groups.slice(0, groupsShown).map(groupElement);
  if (groups.length > groupsShown) {
    parts.push(actionButton(`Show more groups (${count(groups.length - groupsShown)})`, "",
      () => {
        const [first] = groups[groupsShown].indices;
        groupsShown += GROUPS_STEP;
        drawGrid();
        document.getElementById(`tile-${first}`).focus();
      }));
  }
  if (!groups.length) parts.push(make("p", "note", "No row passes the filters"));
  box.replaceChildren(...parts);
}

function refreshTiles(indices) {
  const touched = new Set();
  for (const index of indices) {
    const tile = document.getElementById(`tile-${index}`);
    if (tile) fillTile(tile);
    touched.add(`${DATA.listed.given[index]}:${DATA.listed.corrected[index]}`);
  }
  for (const box of byId("grid").querySelectorAll(".group")) {
    if (!touched.has(box.dataset.key)) continue;
    const group = groups.find((one) => one.key === box.dataset.key);
    if (group) fillGroupHead(box.querySelector(".group-head"), group);
  }
}

/** Mark another tile as the current one; what is not drawn yet is drawn. */
function markTile(before, after) {
  if (!document.getElementById(`tile-${after}`)) {
    const at = groups.findIndex((group) => group.indices.includes(after));
    if (at < 0) return;
    groupsShown = Math.max(groupsShown, at + 1);
    const place = groups[at].indices.indexOf(after) + 1;
    const shown = tilesShown.get(groups[at].key) || TILES_STEP;
    tilesShown.set(groups[at].key, Math.max(shown, Math.ceil(place / TILES_MORE) * TILES_MORE));
    drawGrid();
  }
  const focused = document.activeElement && document.activeElement.classList.contains("tile");
  for (const index of [before, after]) {
    const tile = index === null ? null : document.getElementById(`tile-${index}`);
    if (tile) fillTile(tile);
  }
  const tile = document.getElementById(`tile-${after}`);
  if (focused) tile.focus({ preventScroll: true });
  // Within the grid alone: on a small screen the card stays where it is.
  const box = byId("grid").getBoundingClientRect();
  const isFirst = !tile.previousElementSibling;
  const { top } = (isFirst ? tile.closest(".group") : tile).getBoundingClientRect();
  const { bottom } = tile.getBoundingClientRect();
  if (top < box.top + EDGE) byId("grid").scrollTop += top - box.top - EDGE;
  else if (bottom > box.bottom - EDGE) byId("grid").scrollTop += bottom - box.bottom + EDGE;
}
