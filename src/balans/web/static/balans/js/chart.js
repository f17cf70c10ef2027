// Charts by uPlot. Labels and ticks come from the server, so the zone of the browser decides
// nothing. A chart is a slider for the keyboard: arrow keys read the values out.

const PAGE = 12;
const TICK_PX = 58;
const TICK_STEPS = [1, 2, 3, 4, 6, 8, 12, 24, 48];
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

function tint(name) {
  probe.style.color = `var(--plot-${name})`;
  return getComputedStyle(probe).color;
}

const STYLES = {
  load: { stroke: () => tint("load"), fill: () => tint("fill"), width: 2 },
  reference: { stroke: () => tint("reference"), width: 1.5, dash: [6, 4] },
  limit: {
    stroke: () => tint("limit"),
    width: 1.5,
    paths: uPlot.paths.stepped({ align: -1 }),
  },
  planned: {
    stroke: () => tint("load"),
    fill: () => tint("fill"),
    width: 2,
    paths: uPlot.paths.stepped({ align: 1 }),
  },
  unplanned: {
    stroke: () => tint("reference"),
    width: 1.5,
    dash: [6, 4],
    paths: uPlot.paths.stepped({ align: 1 }),
  },
  ceiling: {
    stroke: () => tint("limit"),
    width: 1.5,
    paths: uPlot.paths.stepped({ align: 1 }),
  },
  price: {
    stroke: () => tint("price"),
    fill: () => tint("price-fill"),
    width: 2,
    paths: uPlot.paths.stepped({ align: 1 }),
  },
  inflow: { stroke: () => tint("load"), fill: () => tint("fill"), width: 2, steps: true },
  outflow: { stroke: () => tint("reference"), width: 1.5, dash: [6, 4], steps: true },
  bar: {
    stroke: () => tint("load"),
    fill: () => tint("load"),
    width: 0,
    paths: uPlot.paths.bars({ size: [0.72, 48], align: 1 }),
  },
};

class Chart {
  constructor(figure) {
    this.plot = figure.querySelector(".plot");
    this.readout = figure.querySelector(".readout");
    this.data = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    this.number = new Intl.NumberFormat(document.documentElement.lang, {
      minimumFractionDigits: this.data.digits,
      maximumFractionDigits: this.data.digits,
    });
    this.rest = this.readout.textContent;
    this.index = null;
    this.build();
    this.listen();
  }

  build() {
    this.plot.classList.remove("skeleton");
    this.uplot = new uPlot(this.options(), this.columns(), this.plot);
    this.plot.setAttribute("aria-valuemax", String(this.data.x.length - 1));
    new ResizeObserver(() => this.uplot.setSize(this.size())).observe(this.plot);
    document.addEventListener("balans:theme", () => this.uplot.redraw());
  }

  size() {
    return { width: this.plot.clientWidth, height: this.plot.clientHeight };
  }

  columns() {
    return [this.data.x, ...this.data.series.map((series) => series.values)];
  }

  options() {
    const axis = {
      stroke: () => tint("axis"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: () => tint("grid"), width: 1 },
      ticks: { show: false },
    };
    return {
      ...this.size(),
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
      scales: {
        x: { time: false, range: () => this.span() },
        y: { range: (_, low, high) => this.reach(low, high) },
      },
      series: [{}, ...this.data.series.map((series) => this.series(series))],
      axes: [
        {
          ...axis,
          size: 28,
          splits: (uplot) => this.ticks(uplot).map(([x]) => x),
          values: (uplot) => this.ticks(uplot).map(([, label]) => label),
        },
        { ...axis, size: 56, values: (_, values) => values.map((value) => this.tick(value)) },
      ],
      hooks: { setCursor: [(uplot) => this.show(uplot.cursor.idx)] },
    };
  }

  series(series) {
    const style = { ...STYLES[series.style], spanGaps: false, points: { show: false } };
    if (this.data.tones && series.style === "bar") style.paths = this.toned();
    if (style.steps) style.paths = this.steps();
    return style;
  }

  // Bars that each have the colour of how good their value is.
  toned() {
    const colours = { unit: 3, values: () => this.data.tones.map((tone) => tint(tone)) };
    return uPlot.paths.bars({ size: [0.72, 48], align: 1, disp: { fill: colours, stroke: colours } });
  }

  // A level over each interval and nothing where it is unknown, to the end of the last interval.
  steps() {
    return (uplot, series, first, last) => {
      const [xs, ys] = [uplot.data[0], uplot.data[series]];
      const [stroke, fill, zero] = [new Path2D(), new Path2D(), uplot.valToPos(0, "y", true)];
      for (let i = first; i <= last; i += 1) {
        if (ys[i] == null) continue;
        const left = uplot.valToPos(xs[i], "x", true);
        const right = uplot.valToPos(xs[i + 1] ?? xs[i] + (this.data.width ?? 0), "x", true);
        const top = uplot.valToPos(ys[i], "y", true);
        if (i > first && ys[i - 1] != null) stroke.lineTo(left, top);
        else stroke.moveTo(left, top);
        stroke.lineTo(right, top);
        fill.rect(left, top, right - left, zero - top);
      }
      return { stroke, fill, clip: null, band: null, gaps: [], flags: 3 };
    };
  }

  span() {
    const { x, width } = this.data;
    return x.length ? [x[0], x[x.length - 1] + (width ?? 0)] : [0, 1];
  }

  reach(low, high) {
    if (this.data.reach) return this.data.reach;
    return [Math.min(0, low ?? 0), high > 0 ? high * 1.1 : 1];
  }

  ticks(uplot) {
    const [start, end] = this.span();
    const shown = this.data.ticks.filter(([x]) => x >= start && x <= end);
    const room = Math.max(2, Math.floor(uplot.width / TICK_PX));
    const step = TICK_STEPS.find((size) => shown.length / size <= room) ?? shown.length;
    const last = shown.length - 1;
    return shown.filter((_, i) => (this.data.live ? (last - i) % step : i % step) === 0);
  }

  tick(value) {
    return value === null ? "" : new Intl.NumberFormat(document.documentElement.lang).format(value);
  }

  listen() {
    const moves = {
      ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: PAGE, PageDown: -PAGE,
    };
    this.plot.addEventListener("keydown", (event) => {
      const last = this.data.x.length - 1;
      let to = null;
      if (event.key in moves) to = (this.index ?? (moves[event.key] > 0 ? -1 : last + 1)) + moves[event.key];
      else if (event.key === "Home") to = 0;
      else if (event.key === "End") to = last;
      if (to === null || last < 0) return;
      event.preventDefault();
      this.point(Math.min(last, Math.max(0, to)));
    });
    this.plot.addEventListener("blur", () => this.show(null));
  }

  point(index) {
    const { x, series } = this.data;
    const value = series[0].values[index] ?? 0;
    const left = this.uplot.valToPos(x[index] + (this.data.width ?? 0) / 2, "x");
    this.uplot.setCursor({ left, top: this.uplot.valToPos(value, "y") });
    this.show(index);
  }

  show(index) {
    this.index = index ?? null;
    const text = index == null ? this.rest : this.words(index);
    if (this.readout.textContent !== text) this.readout.textContent = text;
    if (index == null) return;
    this.plot.setAttribute("aria-valuenow", String(index));
    this.plot.setAttribute("aria-valuetext", text);
  }

  words(index) {
    const values = this.data.series.map((series) => {
      const value = series.values[index];
      const shown = value == null ? "–" : `${this.number.format(value)}\u00a0${this.data.unit}`;
      return `${series.name} ${shown}`;
    });
    const word = this.data.words?.[index];
    return [this.data.at[index], ...values, ...(word ? [word] : [])].join(" · ");
  }

  // Adds minutes of the live stream, or brings the newest up to date, and drops the oldest.
  append(samples) {
    for (const sample of samples) this.take(sample);
    const { x, window, ticks } = this.data;
    while (x.length && x[0] < x[x.length - 1] - window) {
      x.shift();
      this.data.at.shift();
      for (const series of this.data.series) series.values.shift();
    }
    this.data.ticks = ticks.filter(([at]) => at >= x[0]);
    this.plot.setAttribute("aria-valuemax", String(x.length - 1));
    this.uplot.setData(this.columns());
  }

  take(sample) {
    const { x, at, series, step, ticks } = this.data;
    const last = x.length ? x[x.length - 1] : -Infinity;
    if (sample.x < last) return;
    if (sample.x === last) {
      for (const one of series) one.values[x.length - 1] = sample.values[one.style];
      return;
    }
    // A minute that is missing must break the line.
    if (x.length && sample.x > last + 1.5 * step) this.push(last + step, "", {});
    this.push(sample.x, sample.at, sample.values);
    if (sample.tick) ticks.push([sample.x, sample.tick]);
  }

  push(x, at, values) {
    this.data.x.push(x);
    this.data.at.push(at);
    for (const series of this.data.series) series.values.push(values[series.style] ?? null);
  }
}

function draw(part) {
  for (const figure of part.querySelectorAll("[data-chart]")) {
    const chart = new Chart(figure);
    if (chart.data.live) {
      document.addEventListener("balans:samples", (event) => chart.append(event.detail));
    }
  }
}

draw(document);
document.addEventListener("balans:refreshed", (event) => draw(event.detail));
