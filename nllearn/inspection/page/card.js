// The card of the current row: what it is, its labels, and the evidence.
const EVIDENCE_NAMES = {
  decided_by: "Suggestion follows",
  clean_proba: "Small-loss probability of the given label",
  is_easy: "Easy row",
  neighbor_share_given: "Neighbours' vote for the given label",
  neighbor_share_corrected: "Neighbours' vote for the suggested label",
  easy_share_given: "Easy neighbours' vote for the given label",
  easy_share_corrected: "Easy neighbours' vote for the suggested label",
  target_changed_at: "Label last changed in epoch",
  duplicate_group: "Group of near duplicates",
  duplicates_disagree: "Near duplicates have different labels",
};
const SHARES = new Set([
  "clean_proba", "neighbor_share_given", "neighbor_share_corrected", "easy_share_given",
  "easy_share_corrected",
]);
// What a label cleaner writes into `decided_by`.
const DECIDERS = {
  all: "all predictors",
  regression: "the regression, not the neighbours",
  neighbors: "the neighbours, not the regression",
  "given label": "the given label, against the predictors",
  "noise model": "the noise model",
  trusted: "you: the row is trusted",
};

function pair(list, term, description) {
  list.append(make("dt", "", term), make("dd", "", description));
}

/** The most probable classes of a row as one line; after the first, none of 0 %. */
function topClasses(source, index) {
  return source.code[index]
    .map((code, i) => [code, source.proba[index][i]])
    .filter(([, value], i) => i === 0 || value >= 0.005)
    .map(([code, value]) => `${className(code)} ${percent(value)}`)
    .join(", ");
}

function predictionOf(index) {
  if (DATA.network) return topClasses(DATA.network, index);
  const { predicted, predicted_proba: proba } = DATA.listed;
  if (!predicted) return "";
  return className(predicted[index]) + (proba ? ` ${percent(proba[index])}` : "");
}

function evidenceText(name, value) {
  if (value === null) return "unknown";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (SHARES.has(name)) return percent(value);
  if (name === "target_changed_at" && value < 0) return "never";
  if (name === "duplicate_group" && value < 0) return "none";
  if (name === "decided_by" && Object.hasOwn(DECIDERS, value)) return DECIDERS[value];
  return String(value);
}

function evidenceList(index) {
  const list = make("dl", "evidence");
  if (DATA.fused) pair(list, "True label, all evidence", topClasses(DATA.fused, index));
  const predictor = DATA.predicted_by[0].toUpperCase() + DATA.predicted_by.slice(1);
  if (predictionOf(index)) pair(list, `${predictor} alone`, predictionOf(index));
  for (const [name, values] of Object.entries(DATA.evidence)) {
    const known = Object.hasOwn(EVIDENCE_NAMES, name);
    pair(list, known ? EVIDENCE_NAMES[name] : name.replaceAll("_", " "),
      evidenceText(name, values[index]));
  }
  return list;
}

function neighborList(index) {
  const list = make("ul", "neighbors");
  DATA.neighbors.row[index].forEach((row, i) => {
    const given = className(DATA.neighbors.given[index][i]);
    const similarity = DATA.neighbors.similarity
      ? `, similarity ${DATA.neighbors.similarity[index][i]}` : "";
    list.append(make("li", "", [
      previewElement(row),
      make("span", "", `row ${rowName(row)}: given ${given}${similarity}`),
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
    ["Quality of the given label", finePercent(item.quality)],
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
