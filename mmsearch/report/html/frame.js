// Axes and marks: one figure as SVG, redrawn at the width it has, with what lies under the pointer.

const GAP = { top: 12, right: 16, bottom: 40, left: 62 };

// Steps of 1, 2 or 5 times a power of ten.
function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) {
    found.push(Number((at * step).toPrecision(12)));
  }
  return found;
}

function logTicks(low, high, count) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const inner = last - first <= 2 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = first; power <= last; power++) {
    for (const one of inner) {
      const at = Number((one * 10 ** power).toPrecision(12));
      if (at >= low * 0.999 && at <= high * 1.001) found.push(at);
    }
  }
  const every = Math.ceil(found.length / Math.max(2, count));
  return found.length < 2 ? [low, high] : found.filter((_, place) => place % every === 0);
}

// From a value to a place in pixels.
function scale({ low, high, log = false }, from, to) {
  const f = log ? Math.log10 : (value) => value;
  const span = f(high) - f(low) || 1;
  const at = (value) => from + (to - from) * (f(value) - f(low)) / span;
  at.back = (place) => {
    const inner = f(low) + (place - from) / (to - from) * span;
    return log ? 10 ** inner : inner;
  };
  at.ticks = (count) => (log ? logTicks : ticks)(low, high, count);
  return at;
}

function extent(values, pad = 0.04) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return { low: 0, high: 1 };
  const room = high > low ? (high - low) * pad : Math.abs(high) * 0.05 || 0.5;
  return { low: low - room, high: high + room };
}

// A range that a few diverged values cannot stretch: what is far beyond the worst quarter is cut.
function robust(values) {
  const sorted = values.filter((one) => one !== null).sort((a, b) => a - b);
  if (sorted.length < 8) return extent(sorted);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const reach = 3 * (at(0.75) - at(0.25)) || Infinity;
  const low = Math.max(sorted[0], at(0.25) - reach);
  const high = Math.min(sorted[sorted.length - 1], at(0.75) + reach);
  return extent([low, high]);
}

const beyond = (values, { low, high }) =>
  values.filter((one) => one !== null && (one < low || one > high)).length;

// Lines of the grid and what stands at them.
function axes(box, x, y, { xLabel, yLabel, xTicks, yTicks, xText = num, yText = num }) {
  const parts = [];
  for (const tick of yTicks ?? y.ticks(Math.max(2, (box.bottom - box.top) / 45))) {
    parts.push(`<line class="grid" x1="${box.left}" x2="${box.right}" y1="${y(tick)}" y2="${y(tick)}"/>
      <text class="tick" x="${box.left - 8}" y="${y(tick)}" dy=".32em" text-anchor="end">${esc(yText(tick))}</text>`);
  }
  for (const tick of xTicks ?? x.ticks(Math.max(2, (box.right - box.left) / 80))) {
    parts.push(`<line class="axis" x1="${x(tick)}" x2="${x(tick)}" y1="${box.bottom}" y2="${box.bottom + 4}"/>
      <text class="tick" x="${x(tick)}" y="${box.bottom + 17}" text-anchor="middle">${esc(xText(tick))}</text>`);
  }
  parts.push(`<line class="axis" x1="${box.left}" x2="${box.right}" y1="${box.bottom}" y2="${box.bottom}"/>`);
  if (xLabel) {
    parts.push(`<text class="label" x="${(box.left + box.right) / 2}" y="${box.bottom + 34}"
      text-anchor="middle">${esc(xLabel)}</text>`);
  }
  if (yLabel) {
    parts.push(`<text class="label" transform="translate(${box.left - 48} ${(box.top + box.bottom) / 2})
      rotate(-90)" text-anchor="middle">${esc(yLabel)}</text>`);
  }
  return parts.join("");
}

let clips = 0;
function clipped(box, inner) {
  const id = `clip-${++clips}`;
  return `<clipPath id="${id}"><rect x="${box.left}" y="${box.top}" width="${box.right - box.left}"
    height="${box.bottom - box.top}"/></clipPath><g clip-path="url(#${id})">${inner}</g>`;
}

function path(points) {
  let text = "", pen = false;
  for (const [x, y] of points) {
    if (x === null || y === null || Number.isNaN(y)) { pen = false; continue; }
    text += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = true;
  }
  return text;
}

// Many round marks as one element: dots are lines of no length with round ends.
function dots(points, kind) {
  if (!points.length) return "";
  const line = points.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h.01`).join("");
  return `<path class="dots ${kind}" d="${line}"/>`;
}

function cross(points, r = 3) {
  return points.length ? `<path class="cross" d="${points.map(([x, y]) =>
    `M${(x - r).toFixed(1)} ${(y - r).toFixed(1)}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`).join("")}"/>` : "";
}

// A star for what a paper printed, a ring for the best: told by shape, not by colour alone.
function star(x, y, size = 8) {
  const corners = [...Array(10)].map((_, place) => {
    const angle = -Math.PI / 2 + place * Math.PI / 5, reach = place % 2 ? size * 0.45 : size;
    return `${(x + reach * Math.cos(angle)).toFixed(1)},${(y + reach * Math.sin(angle)).toFixed(1)}`;
  });
  return `<polygon class="published" points="${corners.join(" ")}"/>`;
}
const ring = (x, y, kind = "best", r = 7) =>
  `<circle class="ring ${kind}" cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${r}"/>`;

const seen = new ResizeObserver((entries) => {
  requestAnimationFrame(() => { for (const { target } of entries) target.redraw(); });
});

// A figure: `draw(width)` gives { height, svg, near, mark }; `near` are the places of trials,
// [x, y, trial], and `mark(trial)` is what lights the trial up.
function figure({ label, draw, text, minWidth = 0 }) {
  const node = make(`<div class="figure"><div class="scroll"><svg role="img" aria-label="${esc(label)}">
    <g class="base"></g><g class="lit"></g></svg></div></div>`);
  const svg = node.querySelector("svg"), base = svg.querySelector(".base");
  const over = svg.querySelector(".lit");
  let now = null, width = 0;
  node.redraw = (force = false) => {
    const wanted = Math.max(minWidth, Math.floor(node.clientWidth));
    if (!wanted || (wanted === width && !force)) return;
    width = wanted;
    now = draw(width);
    svg.setAttribute("width", width);
    svg.setAttribute("height", now.height);
    svg.setAttribute("viewBox", `0 0 ${width} ${now.height}`);
    base.innerHTML = now.svg;
    over.innerHTML = lit.trial && now.mark ? now.mark(lit.trial) : "";
  };
  lit.listeners.push((trial) => {
    if (now?.mark) over.innerHTML = trial ? now.mark(trial) : "";
  });
  svg.addEventListener("pointermove", (event) => {
    const found = now?.near && nearest(now.near, event.offsetX, event.offsetY);
    light(found ? found[2] : null);
    found ? tip(event, text ? text(found[2], found) : about(found[2])) : untip();
    svg.classList.toggle("hit", Boolean(found));
  });
  svg.addEventListener("pointerleave", () => { light(null); untip(); });
  svg.addEventListener("click", (event) => {
    const found = now?.near && nearest(now.near, event.offsetX, event.offsetY);
    if (found) openTrial(found[2]);
  });
  seen.observe(node);
  shown.listeners.push(() => node.redraw(true));
  return node;
}

function nearest(places, x, y, reach = 18) {
  let found = null, least = reach * reach;
  for (const place of places) {
    const far = (place[0] - x) ** 2 + (place[1] - y) ** 2;
    if (far < least) { least = far; found = place; }
  }
  return found;
}

function about(trial) {
  const parts = [`<b>${esc(trialLabel(trial))}</b> ${esc(trial.state)}`];
  if (trial.value !== null) {
    parts.push(`${esc(LEAD.metric)} ${fixed(trial.value)} at epoch ${trial.value_epoch}`);
  }
  parts.push(`${plural(trial.epochs, "epoch")}, ${hours(trial.seconds / 3600)} of training`);
  if (trial.failure) parts.push(`failed: ${esc(trial.failure.reason)}`);
  return parts.join("<br>");
}

function tip(event, html) {
  const node = $("tip");
  node.innerHTML = html;
  node.hidden = false;
  const { width, height } = node.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, innerWidth - width - 8);
  const above = event.clientY + 18 + height > innerHeight;
  node.style.left = `${Math.max(8, left)}px`;
  node.style.top = `${above ? event.clientY - height - 12 : event.clientY + 18}px`;
}
function untip() { $("tip").hidden = true; }

function boxOf(width, height, gap = GAP) {
  return { left: gap.left, right: width - gap.right, top: gap.top, bottom: height - gap.bottom };
}

function legend(entries) {
  return make(`<ul class="legend">${entries.filter(Boolean).map(([kind, text]) =>
    `<li><svg width="26" height="14" aria-hidden="true">${sample(kind)}</svg>${esc(text)}</li>`).join("")}</ul>`);
}

function sample(kind) {
  if (kind === "published") return star(13, 7, 6.5);
  if (kind === "cross") return cross([[13, 7]]);
  if (kind === "ring") return ring(13, 7, "best", 5);
  if (kind.startsWith("line ")) return `<path class="${kind}" d="M2 7H24"/>`;
  return dots([[13, 7]], kind);
}
