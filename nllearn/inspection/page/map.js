// The map of the features; an area selected on it filters the list.
const PALETTE = [
  "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#997700", "#882255",
  "#44aa99", "#999933", "#dd7733", "#7777dd",
];
const classColour = (code) =>
  code < PALETTE.length ? PALETTE[code] : `hsl(${(code * 137.5) % 360} 60% 50%)`;
const OTHER = "#888888";

/** What the points can be coloured by: name, kind of value, values of the list and of the others. */
function colourSources() {
  const other = DATA.background || { evidence: {}, columns: {} };
  const source = (key, name, kind, from) => ({ key, name, kind, listed: from(DATA.listed),
    others: DATA.background ? from(DATA.background) : [] });
  const found = [
    source("given", "given label", "class", (of) => of.given),
    source("corrected", "suggested label", "class", (of) => of.corrected),
    source("quality", "label quality", "share", (of) => of.quality),
  ];
  const groups = [["evidence", DATA.evidence, other.evidence, evidenceName],
    ["column", DATA.columns || {}, other.columns, (name) => name]];
  for (const [group, listed, others, nameOf] of groups) {
    for (const [name, values] of Object.entries(listed)) {
      const rest = (others && others[name]) || [];
      const numbers = [...values, ...rest].every((v) => v === null || typeof v === "number");
      const kind = SHARES.has(name) ? "share" : numbers ? "number" : "word";
      const wordOf = group === "evidence" ? (value) => evidenceText(name, value) : String;
      found.push({
        key: `${group}:${name}`, name: nameOf(name), kind, wordOf, listed: values, others: rest,
      });
    }
  }
  return found;
}

/** Colour of a value, and the legend: [colour, text] pairs, or the two ends of a scale. */
function paintFor({ kind, listed, others, wordOf }) {
  if (kind === "class") {
    const names = DATA.classes.slice(0, 24).map((name, code) => [classColour(code), name]);
    const rest = DATA.classes.length - names.length;
    return { paint: classColour, names, rest };
  }
  if (kind === "share") return { paint: gradientColour, ends: ["0 %", "100 %"] };
  const known = [...listed, ...others].filter((value) => value !== null);
  if (kind === "number") {
    // A few extreme values must not leave one colour for all others.
    known.sort((a, b) => a - b);
    const low = known[Math.floor(0.02 * (known.length - 1))] ?? 0;
    const high = known[Math.ceil(0.98 * (known.length - 1))] ?? 0;
    const paint = (value) =>
      (value === null ? OTHER : gradientColour(high > low ? (value - low) / (high - low) : 0.5));
    return { paint, ends: [shortNumber(low), shortNumber(high)] };
  }
  const counts = new Map();
  for (const value of known) counts.set(value, (counts.get(value) || 0) + 1);
  const order = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  const colours = new Map(order.slice(0, PALETTE.length).map((value, i) => [value, PALETTE[i]]));
  return {
    paint: (value) => colours.get(value) || OTHER,
    names: [...colours].map(([value, paint]) => [paint, wordOf(value)]),
    rest: order.length - colours.size,
  };
}
const shortNumber = (value) => String(Number(value.toPrecision(3)));

const sources = colourSources();
const mapSource = () => sources.find((one) => one.key === byId("map-colour").value) || sources[0];

function mapSeries(places, values, paint, size, opacity, z) {
  return {
    type: "scatter", symbolSize: size, z, progressive: 0,
    itemStyle: { opacity, color: (p) => paint(values[p.dataIndex] ?? null) },
    data: places.x.map((x, i) => [x, places.y[i]]),
  };
}

/** A value of the chosen source in words. */
function sourceText({ kind, name, wordOf }, value) {
  if (value === null || value === undefined) return `${name} unknown`;
  if (kind === "class") return `${name} ${className(value)}`;
  return `${name} ${kind === "share" ? qualityText(value) : wordOf(value)}`;
}

function mapOption() {
  const background = DATA.background || { x: [], y: [], given: [], corrected: [], quality: [] };
  const source = mapSource();
  const { paint } = paintFor(source);
  const hidden = { type: "value", min: -1.05, max: 1.05, show: false };
  return {
    ...baseOption(),
    legend: undefined,
    toolbox: { show: false },
    grid: { left: 8, right: 8, top: 8, bottom: 8 },
    tooltip: {
      ...baseOption().tooltip, trigger: "item",
      formatter: (p) => {
        const points = p.seriesIndex ? DATA.listed : background;
        const lines = p.seriesIndex ? [fullName(ITEMS[p.dataIndex].row)] : [];
        lines.push(`given ${className(points.given[p.dataIndex])}`);
        lines.push(`suggested ${className(points.corrected[p.dataIndex])}`);
        lines.push(`quality ${qualityText(points.quality[p.dataIndex])}`);
        if (source.key.includes(":")) {
          lines.push(sourceText(source, (p.seriesIndex ? source.listed : source.others)[p.dataIndex]));
        }
        return lines.join("\n");
      },
    },
    brush: {
      toolbox: [], xAxisIndex: 0, seriesIndex: 1, throttleType: "debounce", throttleDelay: 150,
      outOfBrush: { colorAlpha: 0.15 },
    },
    xAxis: hidden,
    yAxis: hidden,
    series: [
      mapSeries(background, source.others, paint, 4, 0.35, 1),
      mapSeries(DATA.listed, source.listed, paint, ISSUES.length > 4000 ? 5 : 8, 0.9, 2),
    ],
  };
}

function showLegend() {
  const legend = byId("map-legend");
  legend.replaceChildren();
  const swatch = (paint, extra = "") => {
    const mark = make("span", `swatch${extra}`);
    mark.style.background = paint;
    return mark;
  };
  const { ends, names, rest } = paintFor(mapSource());
  if (ends) {
    const steps = [0, 0.25, 0.5, 0.75, 1].map(gradientColour).join(", ");
    const bar = swatch(`linear-gradient(90deg, ${steps})`, " wide-swatch");
    legend.append(make("li", "", [ends[0], bar, ends[1]]));
    return;
  }
  for (const [mark, name] of names) legend.append(make("li", "", [swatch(mark), name]));
  if (rest > 0) legend.append(make("li", "", `and ${rest} more: point at them`));
}

function showMap({ onSelect, onBrush }) {
  const buttons = { rect: byId("brush-rect"), polygon: byId("brush-polygon") };
  let brushType = false;
  const entry = chartIn("map", mapOption, (chart) => {
    chart.on("click", (event) => { if (event.seriesIndex === 1) onSelect(event.dataIndex); });
    chart.on("brushSelected", (event) => {
      const batch = event.batch[0];
      if (!batch || !batch.areas.length) return;
      const found = batch.selected.find((one) => one.seriesIndex === 1);
      onBrush(new Set(found ? found.dataIndex : []));
      byId("brush-clear").disabled = false;
    });
    setBrush(brushType);
  });

  function setBrush(type) {
    brushType = type;
    for (const [name, button] of Object.entries(buttons)) {
      button.setAttribute("aria-pressed", String(name === type));
    }
    if (entry.chart) {
      entry.chart.dispatchAction({
        type: "takeGlobalCursor", key: "brush",
        brushOption: { brushType: type, brushMode: "single" },
      });
    }
  }

  function clear() {
    if (entry.chart) entry.chart.dispatchAction({ type: "brush", areas: [] });
    setBrush(false);
    byId("brush-clear").disabled = true;
  }

  for (const [name, button] of Object.entries(buttons)) {
    button.addEventListener("click", () => setBrush(brushType === name ? false : name));
  }
  byId("brush-clear").addEventListener("click", () => { clear(); onBrush(null); });
  byId("map-colour").addEventListener("change", () => {
    showLegend();
    if (entry.chart) {
      // Merged, so that the selected area stays.
      entry.chart.setOption({ series: mapOption().series });
    }
  });
  for (const { key, name } of sources) {
    const option = make("option", "", name);
    option.value = key;
    byId("map-colour").append(option);
  }
  byId("map-section").hidden = false;
  showLegend();
  return { clear };
}
