/* Draws the replay that stands in the page: curves by uPlot, what was off on a canvas below. */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("replay").textContent);

  const powers = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const whole = new Int32Array(bytes.buffer);
    return Array.from(whole, (v) => (v === -2147483648 ? null : v / 1000));
  };
  const times = Array.from({ length: data.count }, (_, i) => data.start + i * data.step);
  const series = [times, powers(data.without), powers(data.with), powers(data.limit)];

  const box = document.getElementById("chart");
  const strip = document.getElementById("strip");
  const width = () => box.clientWidth;
  const stepped = uPlot.paths.stepped({ align: 1 });
  const kw = (u, v) => (v == null ? "–" : v.toFixed(2) + " kW");
  const hour = new Intl.DateTimeFormat("en-GB", { timeZone: data.zone, timeStyle: "short" });
  const date = new Intl.DateTimeFormat("en-GB", { timeZone: data.zone, day: "numeric",
    month: "short", year: "numeric" });
  const tick = (s, step) => {
    const clock = hour.format(s * 1000);
    return step >= 86400 || clock === "00:00" ? date.format(s * 1000) : clock;
  };
  const when = (u, v) => (v == null ? "–" : new Intl.DateTimeFormat("en-GB", {
    timeZone: data.zone, dateStyle: "medium", timeStyle: "short" }).format(v * 1000));

  function drawStrip(u) {
    const ratio = devicePixelRatio || 1;
    const row = 22;
    const left = u.bbox.left / ratio;
    const span = u.bbox.width / ratio;
    strip.style.height = data.loads.length * row + "px";
    strip.width = width() * ratio;
    strip.height = data.loads.length * row * ratio;
    const pen = strip.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const { min, max } = u.scales.x;
    const x = (step) => left + span * ((data.start + step * data.step - min) / (max - min));
    data.loads.forEach((load, place) => {
      const y = place * row;
      pen.fillStyle = "#f4f6f8";
      pen.fillRect(left, y + 3, span, row - 6);
      pen.fillStyle = load.colour;
      for (const [first, last] of load.off) {
        const from = Math.max(left, x(first));
        const to = Math.min(left + span, x(last));
        if (to > from) pen.fillRect(from, y + 3, Math.max(1, to - from), row - 6);
      }
      pen.fillStyle = "#1d232b";
      pen.textAlign = "left";
      pen.fillText(load.name + " (" + load.class + ")", 4, y + row / 2);
    });
  }

  const chart = new uPlot({
    width: width(), height: 420,
    padding: [16, 48, 0, 0],
    tzDate: (s) => uPlot.tzDate(new Date(s * 1000), data.zone),
    cursor: { drag: { x: true, y: false } },
    scales: { x: { time: true }, y: { range: (u, lo, hi) => [Math.min(0, lo), hi * 1.05] } },
    axes: [
      { values: (u, splits, _axis, _space, step) => splits.map((s) => tick(s, step)) },
      { size: 150, values: (u, splits) => splits.map((v) => v + " kW") },
    ],
    series: [
      { label: "time", value: when },
      { label: "without control", stroke: "#8b95a1", width: 1, paths: stepped, value: kw },
      { label: "with control", stroke: "#14559b", width: 1.4, paths: stepped, value: kw },
      { label: "limit", stroke: "#b3261e", width: 1.4, dash: [6, 4], paths: stepped, value: kw },
    ],
    hooks: { draw: [drawStrip] },
  }, series, box);

  const show = (first, last) => chart.setScale("x", {
    min: data.start + first * data.step, max: data.start + last * data.step });
  document.getElementById("day").onclick = () => show(data.day[0], data.day[1]);
  document.getElementById("all").onclick = () => show(0, data.count);
  const move = (share) => {
    const { min, max } = chart.scales.x;
    chart.setScale("x", { min: min + share * (max - min), max: max + share * (max - min) });
  };
  document.getElementById("back").onclick = () => move(-0.5);
  document.getElementById("on").onclick = () => move(0.5);
  addEventListener("resize", () => chart.setSize({ width: width(), height: 420 }));
  show(data.day[0], data.day[1]);
})();
