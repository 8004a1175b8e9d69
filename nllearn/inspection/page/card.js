// The card of the current row: the suggestion, what it is, and why in three lines.
const EVIDENCE_NAMES = {
  decided_by: "Suggestion follows",
  clean_proba: "Small-loss probability of the given label",
  is_easy: "Easy row",
  neighbor_share_given: "Neighbours' votes for the given label",
  neighbor_share_corrected: "Neighbours' votes for the suggested label",
  boundary_quality: "Quality if noise lies at the class boundary",
  target_changed_at: "Label last changed in epoch",
  duplicate_group: "Group of near duplicates",
  duplicates_disagree: "Near duplicates have different labels",
};
const SHARES = new Set([
  "clean_proba", "neighbor_share_given", "neighbor_share_corrected", "boundary_quality",
]);
// What a label cleaner writes into `decided_by`: in the evidence, and as a sentence.
const DECIDERS = {
  all: ["all predictors", (item) => `All predictors agree on ${item.suggested}.`],
  regression: ["the regression, not the neighbours",
    (item) => `The regression predicts ${item.suggested}, the neighbours do not.`],
  neighbors: ["the neighbours, not the regression",
    (item) => `The neighbours vote for ${item.suggested}, the regression differs.`],
  "given label": ["the given label, against the predictors",
    (item) => `The given label ${item.given} stands, though the predictors differ.`],
  "noise model": ["the noise model",
    (item) => `The estimated noise makes ${item.suggested} the most probable label.`],
  trusted: ["the row is trusted", () => "The row is trusted."],
};
let evidenceOpen = false;

function pair(list, term, description) {
  list.append(make("dt", "", term), make("dd", "", description));
}

/** The most probable classes of a row; after the first, none of 0 %. */
function topClasses(source, index) {
  return source.code[index]
    .map((code, i) => [className(code), source.proba[index][i]])
    .filter(([, value], i) => i === 0 || value >= 0.005);
}
const classLine = (classes) =>
  classes.map(([name, value]) => (value === null ? name : `${name} ${percent(value)}`)).join(", ");

/** What is predicted without the given label: [class, probability or null], the best first. */
function predictionOf(index) {
  if (DATA.network) return topClasses(DATA.network, index);
  const { predicted, predicted_proba: proba } = DATA.listed;
  return predicted ? [[className(predicted[index]), proba ? proba[index] : null]] : [];
}

/** Votes of the neighbours for the suggested and the given label, or of the named rows. */
function neighborsOf(index) {
  const item = ITEMS[index];
  const shares = ["corrected", "given"].map((name) => DATA.evidence[`neighbor_share_${name}`]);
  let votes = null;
  if (shares.every((share) => share && share[index] !== null)) {
    votes = shares.map((share) => [share[index], percent(share[index])]);
  } else if (DATA.neighbors && DATA.neighbors.row[index].length) {
    const names = DATA.neighbors.given[index].map(className);
    votes = [item.suggested, item.given].map((label) => {
      const n = names.filter((name) => name === label).length;
      return [n / names.length, `${n} of ${names.length}`];
    });
  }
  if (!votes) return [];
  const lines = [[item.suggested, ...votes[0]], [item.given, ...votes[1]]];
  return item.suggested === item.given ? lines.slice(1) : lines;
}

/** One sentence on why this label is suggested. */
function reasonOf(index) {
  const item = ITEMS[index];
  const parts = [];
  const { decided_by: decider, clean_proba: clean } = DATA.evidence;
  if (decider && decider[index] !== null) {
    const known = Object.hasOwn(DECIDERS, decider[index]);
    parts.push(known ? DECIDERS[decider[index]][1](item) : `Decided by: ${decider[index]}.`);
  } else if (clean && clean[index] !== null) {
    parts.push(`Small-loss probability of ${item.given}: ${percent(clean[index])}.`);
  }
  if (DATA.fused) parts.push(`Posterior: ${classLine(topClasses(DATA.fused, index).slice(0, 2))}.`);
  return parts.join(" ") || `Quality of ${item.given}: ${qualityText(item.quality)}.`;
}

function evidenceText(name, value) {
  if (value === null) return "unknown";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (SHARES.has(name)) return percent(value);
  if (name === "target_changed_at" && value < 0) return "never";
  if (name === "duplicate_group" && value < 0) return "none";
  if (name === "decided_by" && Object.hasOwn(DECIDERS, value)) return DECIDERS[value][0];
  return String(value);
}

const evidenceName = (name) =>
  (Object.hasOwn(EVIDENCE_NAMES, name) ? EVIDENCE_NAMES[name] : name.replaceAll("_", " "));
const predictor = DATA.predicted_by[0].toUpperCase() + DATA.predicted_by.slice(1);

function evidenceList(index) {
  const list = make("dl", "evidence");
  if (DATA.fused) pair(list, "Posterior", classLine(topClasses(DATA.fused, index)));
  const prediction = predictionOf(index);
  if (prediction.length) {
    pair(list, `${predictor}, without the given label`, classLine(prediction));
  }
  for (const [name, values] of Object.entries(DATA.evidence)) {
    pair(list, evidenceName(name), evidenceText(name, values[index]));
  }
  return list;
}

function neighborList(index) {
  const list = make("ul", "neighbors");
  DATA.neighbors.row[index].forEach((row, i) => {
    const given = className(DATA.neighbors.given[index][i]);
    const similarity = DATA.neighbors.similarity
      ? `, similarity ${DATA.neighbors.similarity[index][i]}` : "";
    const name = rowName(row) === String(row) ? `row ${row}` : rowName(row);
    list.append(make("li", "", [
      previewElement(row),
      make("span", "", `${name}: given ${given}${similarity}`),
    ]));
  });
  return list;
}

/** Lines of name, bar and figure. */
function barLines(lines) {
  return make("div", "bars", lines.flatMap(([name, value, text]) => [
    make("span", "bar-name", name),
    value === null ? make("span") : barElement(value),
    make("span", "bar-value", text),
  ]));
}

function whyList(index) {
  const why = make("dl", "why");
  const line = (term, content) =>
    why.append(make("div", "", [make("dt", "", term), make("dd", "", [content])]));
  // The best class, and the given one where it is known.
  const prediction = predictionOf(index)
    .filter(([name], i) => i === 0 || name === ITEMS[index].given);
  if (prediction.length) {
    line(predictor, barLines(prediction.map(([name, value]) =>
      [name, value, value === null ? "" : percent(value)])));
  }
  const neighbors = neighborsOf(index);
  if (neighbors.length) line("Neighbours", barLines(neighbors));
  line("Reason", reasonOf(index));
  return why;
}

function qualityLine(item) {
  const meter = barElement(item.quality, gradientColour(item.quality));
  meter.removeAttribute("aria-hidden");
  for (const [name, value] of Object.entries({
    role: "meter", "aria-label": "Quality of the given label", "aria-valuemin": 0,
    "aria-valuemax": 100, "aria-valuenow": (100 * (item.quality ?? 0)).toFixed(2),
    "aria-valuetext": qualityText(item.quality),
  })) meter.setAttribute(name, value);
  return make("p", "quality-line", [
    make("span", "", `Quality of ${item.given}`), meter,
    make("strong", "", qualityText(item.quality)),
  ]);
}

/** "Shoes to Laptop", the suggestion standing out; the audit asks, and leads to neither. */
function titleParts(item) {
  if (inAudit()) {
    const other = item.given === item.suggested ? [] :
      [make("span", "plain", " or "), make("span", "", item.suggested)];
    return [make("span", "", item.given), ...other, make("span", "plain", "?")];
  }
  if (item.given === item.suggested) {
    return [make("span", "to", item.given), make("span", "plain", ", no other label suggested")];
  }
  return [make("span", "from", item.given), make("span", "plain", " to "),
    make("span", "to", item.suggested)];
}

function moreDetails(index) {
  const more = make("details", "more");
  more.open = evidenceOpen;
  const nearest = DATA.neighbors && DATA.neighbors.row[index].length;
  more.append(make("summary", "", nearest ? "All evidence and nearest rows" : "All evidence"));
  more.append(evidenceList(index));
  if (nearest) more.append(make("h3", "", "Nearest rows"), neighborList(index));
  return more;
}

function showCard(index) {
  const body = byId("card-body");
  // Read from the old card, not in its "toggle" event: the event comes later than a key press may.
  evidenceOpen = body.querySelector(".more")?.open ?? evidenceOpen;
  body.replaceChildren();
  byId("card").classList.toggle("is-audit", inAudit());
  for (const button of byId("actions").querySelectorAll("button")) button.disabled = index === null;
  if (index === null) {
    byId("card-name").textContent = byId("card-place").textContent = "";
    byId("card-title").textContent = ISSUES.length ? "No row selected" : "No label issues";
    return;
  }
  const item = ITEMS[index];
  byId("card-name").textContent = fullName(item.row);
  byId("card-title").replaceChildren(...titleParts(item));
  byId("use-label").textContent = inAudit() ? `${item.suggested} is right` : `Use ${item.suggested}`;
  byId("keep-label").textContent = inAudit() ? `${item.given} is right` : `Keep ${item.given}`;
  const action = (decisions.get(index) || {}).action;
  for (const button of byId("actions").querySelectorAll("[data-action]")) {
    button.classList.toggle("is-taken", button.dataset.action === action);
    button.hidden = button.dataset.action === "accept" && item.given === item.suggested;
  }
  if (action) body.append(make("p", "decided", `Decided: ${decisionText(index)}`));
  if (inAudit() && !isAnswered(index)) {
    body.append(contentElement(item.row),
      make("p", "note", "Quality and evidence are shown after the answer."));
    return;
  }
  body.append(qualityLine(item), contentElement(item.row), whyList(index), moreDetails(index));
}
