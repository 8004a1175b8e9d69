// The card of the current row: what it is, its labels, and the evidence.
const EVIDENCE_NAMES = {
  clean_proba: "Small-loss probability of the given label",
  is_easy: "Easy row",
  neighbor_share_given: "Neighbours' vote for the given label",
  neighbor_share_corrected: "Neighbours' vote for the suggested label",
  target_changed_at: "Label last changed in epoch",
};
const SHARES = new Set(["clean_proba", "neighbor_share_given", "neighbor_share_corrected"]);

function pair(list, term, description) {
  list.append(make("dt", "", term), make("dd", "", description));
}

/** The most probable classes of a row as one line. */
function topClasses(source, index) {
  return source.code[index]
    .map((code, i) => `${className(code)} ${percent(source.proba[index][i])}`)
    .join(", ");
}

function evidenceList(index) {
  const list = make("dl", "evidence");
  if (DATA.fused) pair(list, "True label, all evidence", topClasses(DATA.fused, index));
  if (DATA.network) pair(list, "Network alone", topClasses(DATA.network, index));
  else if (DATA.listed.predicted) {
    pair(list, "Network alone", className(DATA.listed.predicted[index]));
  }
  for (const [name, values] of Object.entries(DATA.evidence)) {
    const value = values[index];
    let text = String(value);
    if (value === null) text = "unknown";
    else if (typeof value === "boolean") text = value ? "yes" : "no";
    else if (SHARES.has(name)) text = percent(value);
    else if (name === "target_changed_at" && value < 0) text = "never";
    pair(list, EVIDENCE_NAMES[name] || name.replaceAll("_", " "), text);
  }
  return list;
}

function neighborList(index) {
  const list = make("ul", "neighbors");
  DATA.neighbors.row[index].forEach((row, i) => {
    const given = className(DATA.neighbors.given[index][i]);
    const similarity = DATA.neighbors.similarity[index][i];
    list.append(make("li", "", [
      previewElement(row),
      make("span", "", `row ${rowName(row)}: given ${given}, similarity ${similarity}`),
    ]));
  });
  return list;
}

function showCard(index) {
  const body = byId("card-body");
  body.replaceChildren();
  for (const button of byId("actions").querySelectorAll("button")) button.disabled = index === null;
  if (index === null) {
    byId("card-title").textContent = ITEMS.length ? "No row selected" : "No label issues";
    return;
  }
  const item = ITEMS[index];
  byId("card-title").textContent = `Row ${item.name}`;
  const labels = make("dl", "labels");
  const facts = [
    ["Given", item.given], ["Suggested", item.suggested],
    ["Quality of the given label", percent(item.quality, 1)],
    ["Decision", decisionText(index) || "none"],
  ];
  for (const [term, description] of facts) {
    labels.append(make("div", "", [make("dt", "", term), make("dd", "", description)]));
  }
  body.append(contentElement(item.row), labels, make("h3", "", "Evidence"), evidenceList(index));
  if (DATA.neighbors && DATA.neighbors.row[index].length) {
    body.append(make("h3", "", "Nearest rows"), neighborList(index));
  }
}
