// The map of the features; an area selected on it filters the list.
const PALETTE = [
  "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#997700", "#882255",
  "#44aa99", "#999933", "#dd7733", "#7777dd",
];
const classColour = (code) =>
  code < PALETTE.length ? PALETTE[code] : `hsl(${(code * 137.5) % 360} 60% 50%)`;
// From blue (good) to orange (bad): told apart with every kind of colour vision.
function qualityColour(value) {
  const part = Math.max(0, Math.min(1, value ?? 0));
  const mix = (bad, good) => Math.round(bad + (good - bad) * part);
  return `rgb(${mix(213, 0)}, ${mix(94, 114)}, ${mix(0, 178)})`;
}

function mapSeries(source, size, opacity, z) {
  const by = byId("map-colour").value;
  const paint = by === "quality" ? qualityColour : classColour;
  const values = source[by];
  return {
    type: "scatter", symbolSize: size, z, progressive: 0,
    itemStyle: { opacity, color: (p) => paint(values[p.dataIndex]) },
    data: source.x.map((x, i) => [x, source.y[i]]),
  };
}

function mapOption() {
  const background = DATA.background || { x: [], y: [], given: [], corrected: [], quality: [] };
  const hidden = { type: "value", min: -1.05, max: 1.05, show: false };
  return {
    ...baseOption(),
    legend: undefined,
    toolbox: { show: false },
    grid: { left: 8, right: 8, top: 8, bottom: 8 },
    tooltip: {
      ...baseOption().tooltip, trigger: "item",
      formatter: (p) => {
        const source = p.seriesIndex ? DATA.listed : background;
        const lines = p.seriesIndex ? [`row ${ITEMS[p.dataIndex].name}`] : [];
        lines.push(`given ${className(source.given[p.dataIndex])}`);
        lines.push(`corrected ${className(source.corrected[p.dataIndex])}`);
        lines.push(`quality ${finePercent(source.quality[p.dataIndex])}`);
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
      mapSeries(background, 4, 0.35, 1),
      mapSeries(DATA.listed, ITEMS.length > 4000 ? 5 : 8, 0.9, 2),
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
  if (byId("map-colour").value === "quality") {
    const bar = swatch(`linear-gradient(90deg, ${qualityColour(0)}, ${qualityColour(1)})`, " bar");
    legend.append(make("li", "", ["0 %", bar, "100 %"]));
    return;
  }
  DATA.classes.slice(0, 24).forEach((name, code) =>
    legend.append(make("li", "", [swatch(classColour(code)), name])));
  if (DATA.classes.length > 24) {
    legend.append(make("li", "", `and ${DATA.classes.length - 24} more: point at them`));
  }
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
  byId("map-section").hidden = false;
  showLegend();
  return { clear };
}
