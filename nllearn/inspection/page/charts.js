// Charts by ECharts. Each is made when it first comes into view, and again in other colours.
const charts = [];
// Readable on a light and on a dark page.
const CURVES = ["#4c8bf5", "#e8833a", "#2f9e6e", "#c2569b", "#8a7d1d", "#7777dd"];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Draw into an element once it is in view; draw again when the colours or the size change. */
function chartIn(id, option, afterwards = () => {}) {
  const element = byId(id);
  const entry = { chart: null, draw: () => entry.chart.setOption(option(), { notMerge: true }) };
  charts.push(entry);
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    entry.chart = echarts.init(element, null, { renderer: "canvas" });
    entry.draw();
    afterwards(entry.chart);
    new ResizeObserver(() => entry.chart.resize()).observe(element);
  }, { rootMargin: "200px" }).observe(element);
  return entry;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const entry of charts) if (entry.chart) entry.draw();
});

function axis(name, extra = {}) {
  return {
    name,
    nameLocation: "middle",
    nameGap: 28,
    nameTextStyle: { color: colour("--muted") },
    axisLabel: { color: colour("--muted") },
    axisLine: { lineStyle: { color: colour("--line") } },
    splitLine: { lineStyle: { color: colour("--line"), opacity: 0.5 } },
    ...extra,
  };
}

function baseOption() {
  return {
    animation: false,
    color: CURVES,
    textStyle: { color: colour("--text"), fontFamily: "inherit" },
    grid: { left: 52, right: 16, top: 34, bottom: 44 },
    legend: { top: 0, textStyle: { color: colour("--text") } },
    tooltip: {
      trigger: "axis", renderMode: "richText", confine: true,
      backgroundColor: colour("--panel"), borderColor: colour("--line"),
      textStyle: { color: colour("--text") },
    },
  };
}

function lossOption() {
  const { edges, kept, issue, x, small, large } = DATA.losses;
  const middle = kept.map((_, i) => (edges[i] + edges[i + 1]) / 2);
  const bars = (name, counts, fill) => ({
    name, type: "bar", stack: "rows", barCategoryGap: "0%", barWidth: "100%",
    itemStyle: { color: fill }, data: counts,
  });
  const line = (name, values, dash) => ({
    name, type: "line", showSymbol: false, xAxisIndex: 1,
    lineStyle: { color: colour("--text"), type: dash }, itemStyle: { color: colour("--text") },
    data: values.map((value, i) => [x[i], value]),
  });
  const series = [bars("no issue", kept, "#4c8bf5"), bars("issue", issue, "#e8833a")];
  if (small) {
    series.push(line("small-loss part", small, "solid"), line("large-loss part", large, "dashed"));
  }
  return {
    ...baseOption(),
    xAxis: [
      axis("loss, scaled", { type: "category", data: middle.map((v) => v.toFixed(2)) }),
      { type: "value", min: 0, max: 1, show: false },
    ],
    yAxis: axis("rows", { type: "value", nameGap: 40 }),
    series,
  };
}

function curvesOption(group, isShare) {
  const series = Object.entries(group).map(([name, values]) => ({
    name: name.replace(/^share_/, "").replaceAll("_", " "),
    type: "line", showSymbol: false, connectNulls: true,
    data: values.map((value, i) => [DATA.history.epoch[i], value]),
  }));
  return {
    ...baseOption(),
    xAxis: axis("epoch", { type: "value", min: "dataMin", max: "dataMax", minInterval: 1 }),
    yAxis: axis(isShare ? "share of rows" : "loss", {
      type: "value", nameGap: 40, ...(isShare ? { min: 0, max: 1 } : { scale: true }),
    }),
    series,
  };
}

function heatmapOption() {
  const cells = [];
  DATA.transition.forEach((line, i) => line.forEach((value, j) => cells.push([j, i, value])));
  const names = DATA.classes;
  return {
    ...baseOption(),
    legend: undefined,
    tooltip: {
      ...baseOption().tooltip, trigger: "item",
      formatter: (p) => `true ${names[p.value[1]]}\ngiven ${names[p.value[0]]}\n${percent(p.value[2], 1)}`,
    },
    grid: { left: 96, right: 16, top: 10, bottom: 70 },
    xAxis: axis("given", {
      type: "category", data: names, nameGap: 52,
      axisLabel: { rotate: 60, width: 60, overflow: "truncate", color: colour("--muted") },
    }),
    yAxis: axis("true", {
      type: "category", data: names, inverse: true, nameGap: 80,
      axisLabel: { width: 70, overflow: "truncate", color: colour("--muted") },
    }),
    visualMap: {
      show: false, min: 0, max: 1, dimension: 2,
      inRange: { color: [colour("--back"), "#4c8bf5", "#08306b"] },
    },
    series: [{ type: "heatmap", data: cells, progressive: 0 }],
  };
}

/** Rows of a table: the first is the head; the first cell of each row is a row head. */
function fillTable(element, lines, wordColumns = []) {
  const cell = (tag, scope, text) => {
    const made = make(tag, "", text);
    if (scope) made.scope = scope;
    return made;
  };
  const [head, ...rest] = lines;
  element.append(make("thead", "", [make("tr", "", head.map((t) => cell("th", "col", t)))]));
  element.append(make("tbody", "", rest.map((line) => make("tr", "", line.map((text, i) => {
    if (i === 0) return cell("th", "row", text);
    const made = cell("td", "", text);
    if (wordColumns.includes(i)) made.className = "word";
    return made;
  })))));
}

function showTransition() {
  const matrix = DATA.transition;
  const names = DATA.classes;
  if (names.length <= 12) {
    fillTable(byId("transition"), [
      ["true \\ given", ...names],
      ...matrix.map((line, i) => [names[i], ...line.map((value) => (100 * value).toFixed(1))]),
    ]);
    byId("transition-note").textContent =
      "Percent of each given label (column) for each true label (row).";
    byId("transition").querySelectorAll("tbody td").forEach((cell, i) => {
      const value = matrix[Math.floor(i / names.length)][i % names.length];
      cell.style.background = `color-mix(in srgb, #4c8bf5 ${Math.round(55 * value)}%, transparent)`;
    });
    return;
  }
  byId("heatmap").hidden = false;
  chartIn("heatmap", heatmapOption);
  const confusions = matrix
    .flatMap((line, i) => line.map((value, j) => [i, j, value]))
    .filter(([i, j, value]) => i !== j && value > 0)
    .sort((a, b) => b[2] - a[2])
    .slice(0, 20);
  fillTable(byId("transition"), [
    ["true", "given", "probability"],
    ...confusions.map(([i, j, value]) => [names[i], names[j], percent(value, 1)]),
  ], [1]);
}

function showCharts() {
  const show = (id, wanted) => { byId(id).hidden = !wanted; return wanted; };
  if (show("worst-section", DATA.worst.length > 0)) {
    fillTable(byId("worst"), [
      ["given label", "rows", "issues", "share", "most often to"],
      ...DATA.worst.map(({ label, n, issues, to }) => [
        className(label), n, issues, percent(issues / n), to < 0 ? "none" : className(to),
      ]),
    ], [4]);
  }
  if (show("transition-section", DATA.transition)) showTransition();
  if (show("loss-section", DATA.losses)) {
    const sum = (counts) => counts.reduce((a, b) => a + b, 0);
    byId("loss-note").textContent =
      `Cross-entropy of the network against the given labels, scaled to 0 to 1: ` +
      `${sum(DATA.losses.kept)} rows without an issue, ${sum(DATA.losses.issue)} issues. ` +
      (DATA.losses.small ? "The lines are the two parts of the mixture." : "No mixture fits.");
    chartIn("loss", lossOption);
  }
  if (show("history-section", DATA.history)) {
    const { epoch, phase, losses, shares } = DATA.history;
    const changes = phase
      .map((name, i) => (name && name !== phase[i - 1] ? `${name} from epoch ${epoch[i]}` : ""))
      .filter(Boolean);
    byId("history-note").textContent =
      `${epoch.length} epochs${changes.length ? ": " + changes.join(", ") : ""}.`;
    byId("history-losses").hidden = !Object.keys(losses).length;
    byId("history-shares").hidden = !Object.keys(shares).length;
    if (Object.keys(losses).length) chartIn("history-losses", () => curvesOption(losses, false));
    if (Object.keys(shares).length) chartIn("history-shares", () => curvesOption(shares, true));
  }
}
