// Decisions: in memory, in the browser's storage under the name of the run, and as files.
const STORE = `nllearn-review:${DATA.run}`;
const ACTIONS_STORED = ["accept", "reject", "other", "skip"];
const ACTION_MARKS = { accept: "✓", reject: "=", other: "✎", skip: "–" };
// Position in ITEMS -> {action, code, audit}; audit: it is an answer of the audit.
const decisions = new Map();
const undoStack = []; // each {text, inAudit, changes: [{index, before}]}
let elsewhere = {}; // stored decisions about rows that this page does not hold
let storageWorks = true;

function storageFailed(error) {
  if (storageWorks) {
    storageWorks = false;
    const warning = byId("storage-warning");
    warning.textContent =
      `This browser does not keep decisions (${error.name}): export them before you leave.`;
    warning.hidden = false;
  }
}

function loadDecisions() {
  let stored = null;
  try {
    stored = JSON.parse(localStorage.getItem(STORE) || "null");
  } catch (error) {
    if (!(error instanceof SyntaxError)) storageFailed(error);
  }
  if (!stored || typeof stored !== "object") return;
  const position = new Map(DATA.listed.row.map((row, index) => [String(row), index]));
  for (const [row, entry] of Object.entries(stored)) {
    const index = position.get(row);
    if (index === undefined) elsewhere[row] = entry;
    if (index === undefined || !Array.isArray(entry) || !ACTIONS_STORED.includes(entry[0])) continue;
    if (entry[0] !== "skip" && className(entry[1]) === undefined) continue;
    decisions.set(index, { action: entry[0], code: entry[1], audit: entry[2] === true });
    ITEMS[index].decision = decisionText(index);
  }
}

function saveDecisions() {
  const stored = { ...elsewhere };
  for (const [index, { action, code, audit }] of decisions) {
    stored[ITEMS[index].row] = audit ? [action, code, true] : [action, code];
  }
  try {
    localStorage.setItem(STORE, JSON.stringify(stored));
  } catch (error) {
    storageFailed(error);
  }
}

/** What was decided about a row, named as the button is; empty where nothing was. */
function decisionText(index) {
  const decision = decisions.get(index);
  if (!decision) return "";
  return {
    accept: `use ${ITEMS[index].suggested}`,
    reject: `keep ${ITEMS[index].given}`,
    other: `other: ${className(decision.code)}`,
    skip: "skipped",
  }[decision.action];
}

/** The label that an action gives to a row, as a position in the classes. */
function codeFor(index, action, code) {
  return {
    accept: DATA.listed.corrected[index], reject: DATA.listed.given[index], other: code, skip: null,
  }[action];
}

/** Decide about rows in one step, which one undo takes back. */
function decide(indices, action, code) {
  const step = {
    text: "", inAudit: inAudit(),
    changes: indices.map((index) => ({ index, before: decisions.get(index) })),
  };
  undoStack.push(step);
  for (const index of indices) {
    // An answer that is changed in the list later is still one.
    const audit = inAudit() || isAnswered(index);
    decisions.set(index, { action, code: codeFor(index, action, code), audit });
  }
  saveDecisions();
  return step;
}

/** Take the last step back; what it was, or undefined when there is none. */
function undo() {
  const last = undoStack.pop();
  if (!last) return undefined;
  for (const { index, before } of last.changes) {
    if (before) decisions.set(index, before);
    else decisions.delete(index);
  }
  saveDecisions();
  return last;
}

/** How many issues have which decision; a skipped row is not reviewed. */
function tally() {
  const counts = { accept: 0, reject: 0, other: 0, skip: 0 };
  for (const [index, { action }] of decisions) if (isIssue(index)) counts[action] += 1;
  return { ...counts, reviewed: counts.accept + counts.reject + counts.other };
}

function decisionRecords() {
  return [...decisions.keys()].sort((a, b) => ITEMS[a].row - ITEMS[b].row).map((index) => {
    const { action, code, audit } = decisions.get(index);
    const item = ITEMS[index];
    return {
      row: item.row,
      name: item.name,
      decision: action,
      given_label: item.given,
      suggested_label: item.suggested,
      label: action === "skip" ? "" : className(code),
      label_quality: item.quality,
      audit,
    };
  });
}

function decisionsJson() {
  return JSON.stringify({
    format: "nllearn-decisions",
    version: 1,
    run: DATA.run,
    title: DATA.title,
    n_rows: DATA.summary.n_rows,
    decisions: decisionRecords(),
  }, null, 1);
}

// The same rule as guard_cell in Python, which reads the file back.
const guardCell = (text) => (/^[=+\-@\t\r\n']/.test(text) ? `'${text}` : text);

function decisionsCsv() {
  const names = [
    "row", "name", "decision", "given_label", "suggested_label", "label", "label_quality",
    "audit",
  ];
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    if (typeof value === "boolean") return value ? "yes" : "no";
    return `"${guardCell(value).replaceAll('"', '""')}"`;
  };
  const lines = decisionRecords().map((record) => names.map((name) => cell(record[name])).join(","));
  // The mark at the start tells spreadsheets that this is UTF-8.
  return "\ufeff" + [names.join(","), ...lines].join("\r\n") + "\r\n";
}

function download(text, type, ending) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `decisions-${DATA.run}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
