(() => {
"use strict";
const LEFT = 64, RIGHT = 16, WIDTH = 960, PLOT = WIDTH - LEFT - RIGHT, NS = "http://www.w3.org/2000/svg";
const charts = [...document.querySelectorAll("svg.time")];
addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
if (!charts.length) { window.DONE = 1; return; }
const span = +charts[0].dataset.span, status = document.querySelector(".status");
let view = [0, span], at = null, drag = null, lines = null;
// the points of a path: x and height, from its relative integers
const parsed = path => {
  const numbers = path.getAttribute("d").match(/-?\d+/g), out = [];
  let x = 0, y = 0;
  for (let i = 0; i < numbers.length; i += 2) { x += +numbers[i]; y += +numbers[i + 1]; out.push(x, -y); }
  return out;
};
const ticks = (a, b) => {
  const raw = (b - a) / 6, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map(k => k * power).find(k => k >= raw), out = [];
  for (let t = Math.ceil(a / step) * step; t <= b; t += step) out.push([t, step]);
  return out;
};
const named = (t, step) => step >= 1e5 ? (t / 1e6).toFixed(step >= 1e6 ? 0 : 1) + " s" : step >= 100 ? (t / 1e3).toFixed(step >= 1e3 ? 0 : 1) + " ms" : Math.round(t) + " us";
const toX = t => LEFT + (t - view[0]) / (view[1] - view[0]) * PLOT;
const toTime = x => Math.min(span, Math.max(0, view[0] + (x - LEFT) / PLOT * (view[1] - view[0])));
function show(a, b) {
  if (b - a < 100) { const middle = (a + b) / 2; a = middle - 50; b = middle + 50; }
  view = [Math.max(0, a), Math.min(span, b)];
  for (const chart of charts) {
    const plot = chart.querySelector(".plot"), box = plot.getAttribute("viewBox").split(" "), group = chart.querySelector(".ticks");
    plot.setAttribute("viewBox", [view[0], box[1], view[1] - view[0], box[3]].join(" "));
    group.textContent = "";
    for (const [t, step] of ticks(...view)) {
      const tick = document.createElementNS(NS, "text");
      tick.setAttribute("class", "axis");
      tick.setAttribute("text-anchor", toX(t) > WIDTH - RIGHT - 20 ? "end" : "middle");
      tick.setAttribute("x", toX(t));
      tick.setAttribute("y", +chart.dataset.top + +chart.dataset.plot + 20);
      tick.textContent = named(t, step);
      group.append(tick);
    }
  }
  cursor(at);
}
function cursor(t) {
  at = t;
  const off = t === null || t < view[0] || t > view[1];
  for (const chart of charts) {
    const line = chart.querySelector(".cursor"), x = off ? 0 : toX(t);
    line.setAttribute("visibility", off ? "hidden" : "visible");
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  }
  if (!status) return;
  if (t === null) { status.textContent = ""; return; }
  lines ??= [...document.querySelectorAll("#queues .q")].map(path => [path, parsed(path)]);
  if (!lines.length) return;
  const step = lines[0][1][2] || 1, i = Math.min(lines[0][1].length / 2 - 1, Math.round(t / step));
  let best = null;
  for (const line of lines) { line[0].classList.remove("on"); if (!best || line[1][2 * i + 1] > best[1][2 * i + 1]) best = line; }
  best[0].classList.add("on");
  status.textContent = named(i * step, 100) + ": fullest is " + best[0].dataset.name + ", " + (best[1][2 * i + 1] / 10).toFixed(1) + " % of its limit";
}
const inChart = (chart, event) => { const box = chart.getBoundingClientRect(); return (event.clientX - box.left) / box.width * WIDTH; };
const brush = (a, b) => { for (const chart of charts) { const r = chart.querySelector(".brush"); r.setAttribute("x", Math.min(a, b)); r.setAttribute("width", Math.abs(b - a)); } };
for (const chart of charts) {
  chart.addEventListener("pointerdown", e => { drag = inChart(chart, e); chart.setPointerCapture(e.pointerId); });
  chart.addEventListener("pointermove", e => {
    const x = Math.min(WIDTH - RIGHT, Math.max(LEFT, inChart(chart, e)));
    cursor(toTime(x));
    if (drag !== null) brush(drag, x);
  });
  chart.addEventListener("pointerup", e => {
    const x = inChart(chart, e);
    brush(0, 0);
    if (drag !== null && Math.abs(x - drag) > 5) { const a = toTime(drag), b = toTime(x); drag = null; show(Math.min(a, b), Math.max(a, b)); }
    drag = null;
  });
  chart.addEventListener("dblclick", () => show(0, span));
  chart.addEventListener("keydown", e => {
    const width = view[1] - view[0], t = at ?? view[0] + width / 2;
    if (e.key === "ArrowRight") cursor(Math.min(span, t + width / 100));
    else if (e.key === "ArrowLeft") cursor(Math.max(0, t - width / 100));
    else if (e.key === "+" || e.key === "=") show(t - width / 4, t + width / 4);
    else if (e.key === "-") show(t - width, t + width);
    else if (e.key === "Escape") { at = null; show(0, span); }
    else return;
    e.preventDefault();
    if (at !== null && (at < view[0] || at > view[1])) show(Math.max(0, at - width / 2), Math.max(0, at - width / 2) + width);
  });
}
show(0, span);
window.DONE = 1;
})();
