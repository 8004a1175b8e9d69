// The audit on the page: the rows of the sample one after another, in their random order, and what
// the answers say so far. A first part of a random order is a sample too, so that the intervals
// hold at any time. Only what is answered here counts: rows of the list are no random choice.
const AUDIT = DATA.audit || null;
const auditPlace = new Map(AUDIT ? AUDIT.place.map((index, place) => [index, place]) : []);
const inAudit = () => view === "audit";
let auditChart = null;

const isAnswered = (index) => Boolean((decisions.get(index) || {}).audit);

/** Place of the first row of the sample that nobody answered for; all of them at the end. */
function firstOpen() {
  const place = AUDIT.place.findIndex((index) => !isAnswered(index));
  return place < 0 ? AUDIT.place.length : place;
}

/** Places of the rows with an answer. A skipped row has none. */
function answeredPlaces() {
  return AUDIT.place.map((index, place) => place).filter((place) => {
    const decision = decisions.get(AUDIT.place[place]);
    return decision && decision.audit && decision.action !== "skip";
  });
}

const intervals = new Map();

/**
 * Share of wrong labels among "all" rows or those "changed", by the answers at some places;
 * undefined where it is not known yet and only known ones are wanted.
 */
function auditInterval(name, places, onlyKnown = false) {
  const { sizes, expected } = AUDIT[name];
  const seen = sizes.map(() => 0), wrong = sizes.map(() => 0);
  for (const place of places) {
    const index = AUDIT.place[place];
    const given = DATA.listed.given[index];
    if (name === "changed" && given === DATA.listed.corrected[index]) continue;
    seen[AUDIT.stratum[place]] += 1;
    if (decisions.get(index).code !== given) wrong[AUDIT.stratum[place]] += 1;
  }
  const key = `${name} ${seen} ${wrong}`;
  if (!intervals.has(key) && !onlyKnown) intervals.set(key, shareWrong({ sizes, seen, wrong, expected }));
  return intervals.get(key);
}

const intervalText = ({ value, low, high }) =>
  `${percent(value, 1)} (${percent(low, 1)} to ${percent(high, 1)})`;

function checkedText() {
  const n = answeredPlaces().length;
  const skipped = AUDIT.place.filter(isAnswered).length - n;
  return `${count(n)} of ${count(AUDIT.place.length)} checked` +
    (skipped ? `, ${count(skipped)} skipped` : "");
}

/** Where the current row stands, above the card; the list is not beside it on a small screen. */
function auditPlaceText(index) {
  const rate = auditInterval("all", answeredPlaces());
  return `${count(auditPlace.get(index) + 1)} of ${count(AUDIT.place.length)} · ` +
    `noise rate ${intervalText(rate)}`;
}

function describeAudit(index) {
  const item = ITEMS[index];
  const question = item.given === item.suggested
    ? `is it ${item.given}?` : `${item.given} or ${item.suggested}?`;
  const answer = isAnswered(index) ? ` Answer: ${decisionText(index)}.` : "";
  return `${auditPlace.get(index) + 1} of ${AUDIT.place.length}: ${spokenName(item)}, ` +
    `${question}${answer}`;
}

function spokenResult() {
  const { value, low, high } = auditInterval("all", answeredPlaces());
  return `${checkedText()}, noise rate ${percent(value, 1)}, ` +
    `between ${percent(low, 1)} and ${percent(high, 1)}.`;
}

/** The bar of an interval from 0 to 100 %, with a line at the estimate. */
function intervalElement({ value, low, high }) {
  const part = make("span", "part"), line = make("span", "line");
  part.style.left = `${100 * low}%`;
  part.style.width = `${100 * (high - low)}%`;
  line.style.left = `${100 * value}%`;
  const bar = make("span", "interval", [part, line]);
  bar.setAttribute("aria-hidden", "true");
  return bar;
}

function showAudit() {
  const places = answeredPlaces();
  const changed = auditInterval("changed", places);
  const lines = [["Wrong labels among all rows (noise rate)", auditInterval("all", places)]];
  if (changed) lines.push(["Wrong labels among the changed rows", changed]);
  byId("audit-checked").textContent = checkedText();
  byId("audit-bar").firstElementChild.style.width =
    `${(100 * places.length) / AUDIT.place.length}%`;
  byId("audit-result").replaceChildren(...lines.map(([term, interval]) => make("div", "", [
    make("dt", "", term),
    make("dd", "", [make("strong", "", intervalText(interval)), intervalElement(interval)]),
  ])));
  if (auditChart && auditChart.chart) auditChart.draw();
}

// Above so many answers the picture leaves some out: each point is an interval of its own.
const TRAIL_POINTS = 40;
let trailTimer = 0;

/** The noise rate after the first answers, after more of them, and after all. */
function auditTrail() {
  const places = answeredPlaces();
  const step = Math.max(1, Math.ceil(places.length / TRAIL_POINTS));
  const parts = [];
  for (let n = 0; n < places.length; n += step) parts.push(places.slice(0, n));
  parts.push(places);
  const known = parts.filter((part) => auditInterval("all", part, true));
  clearTimeout(trailTimer);
  if (known.length < parts.length) {
    // After a reload they come one by one, so that the page can be used meanwhile.
    trailTimer = setTimeout(() => {
      auditInterval("all", parts.find((part) => !known.includes(part)));
      auditChart.draw();
    });
  }
  return known.map((part) => ({ n: part.length, ...auditInterval("all", part) }));
}

function auditOption() {
  const trail = auditTrail();
  const line = (values, extra) => ({
    type: "line", showSymbol: false, silent: true, ...extra,
    data: trail.map((point) => [point.n, values(point)]),
  });
  const none = { opacity: 0 };
  return {
    ...baseOption(),
    legend: undefined,
    grid: { left: 52, right: 16, top: 12, bottom: 44 },
    tooltip: {
      ...baseOption().tooltip,
      formatter: ([{ dataIndex }]) =>
        `${trail[dataIndex].n} checked\n${intervalText(trail[dataIndex])}`,
    },
    xAxis: axis("rows checked", {
      type: "value", min: 0, max: AUDIT.place.length, minInterval: 1,
    }),
    yAxis: axis("noise rate, %", { type: "value", min: 0, max: 100, nameGap: 34 }),
    series: [
      line((point) => 100 * point.low, { stack: "interval", lineStyle: none }),
      line((point) => 100 * (point.high - point.low), {
        stack: "interval", lineStyle: none, areaStyle: { color: CURVES[0], opacity: 0.3 },
      }),
      line((point) => 100 * point.value, {
        showSymbol: true, symbolSize: 5, silent: false, itemStyle: { color: CURVES[0] },
      }),
    ],
  };
}

/** Go to an earlier row, or as far as the first one without an answer. */
function moveInAudit(step, spoken = "") {
  const last = Math.min(firstOpen(), AUDIT.place.length - 1);
  const place = current === null ? last : auditPlace.get(current) + step;
  const next = AUDIT.place[Math.max(0, Math.min(last, place))];
  if (next === current) announce(`${spoken}${step > 0 ? "Last" : "First"} row so far.`);
  else select(next, spoken);
}

/** Answer for the current row and go to the first row without an answer. */
function answerInAudit(action, code) {
  const index = current;
  if (index === null) return;
  decideAbout([index], action, code);
  const spoken = `${spokenName(ITEMS[index])}: ${decisionText(index)}. ${spokenResult()} `;
  const open = firstOpen();
  if (open < AUDIT.place.length) select(AUDIT.place[open], `${spoken}Next: `);
  else select(index, `${spoken}All rows of the sample have an answer. `);
}

function openAudit() {
  byId("audit-size").textContent = count(AUDIT.place.length);
  if (!auditChart) auditChart = chartIn("audit-chart", auditOption);
  select(AUDIT.place[Math.min(firstOpen(), AUDIT.place.length - 1)], `Audit. ${spokenResult()} `);
  showAudit();
  // On a small screen the button is below the card that it fills.
  if (matchMedia("(max-width: 900px)").matches) byId("card").scrollIntoView();
}
