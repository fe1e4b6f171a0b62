// Learning curves of all trials, with the rungs at which they are compared, and what rungs tell.

function curvesSection(section) {
  let metric = F.curves[0], soFar = false, whole = false;
  const chart = figure({
    label: "Learning curves of all trials",
    draw: (width) => drawCurves(width, { metric, soFar, whole }),
    text: (trial, found) => `${about(trial)}<br>here: ${num(found[3], 5)} at epoch ${found[4]}`,
  });
  const row = make('<div class="row"></div>');
  if (F.curves.length > 1) {
    const select = make(`<label>Metric <select>${F.curves.map((name) =>
      `<option>${esc(name)}</option>`).join("")}</select></label>`);
    select.lastElementChild.addEventListener("change", (event) => {
      metric = event.target.value;
      chart.redraw(true);
    });
    row.append(select);
  }
  row.append(toggle("Best so far", soFar, (on) => { soFar = on; chart.redraw(true); }),
    toggle("Whole range", whole, (on) => { whole = on; chart.redraw(true); }));
  section.append(row, legend([RANKED.length > 2 && ["line ramp-low", "completed, best"],
    RANKED.length > 2 && ["line ramp-high", "completed, worst"], F.counts.stopped && ["line stopped", "stopped"],
    (F.counts.running || F.counts.paused) && ["line running", "running or paused"], F.counts.failed && ["line failed", "failed"], ["line published", "published"],
    best && ["line best", "incumbent"], F.study.rungs.length && ["line rung", "rung"]]), chart);
  if (F.metrics.length > F.curves.length) {
    section.append(make(`<p class="note">Curves of the other metrics, and of losses, are in TensorBoard: here they would make the page too large.</p>`));
  }
}

// From the metric's name: whether the page can tell what is better of it.
function directionOf(metric) {
  const own = F.study.objectives.find((one) => one.metric === metric);
  if (own) return own.direction === "minimize" ? -1 : 1;
  return /mae|rmse|loss/.test(metric) ? -1 : 1;
}

function curveOf(trial, metric, soFar) {
  const values = trial.curves[F.curves.indexOf(metric)] ?? [];
  if (!soFar) return values;
  const sign = directionOf(metric);
  let top = null;
  return values.map((value) => {
    if (value !== null && (top === null || sign * (value - top) > 0)) top = value;
    return top;
  });
}

const CURVE_ORDER = ["stopped", "failed", "paused", "running", "completed"];

function drawCurves(width, { metric, soFar, whole }) {
  const height = 380, box = boxOf(width, height);
  const drawn = TRIALS.filter((trial) => visible.has(trial) && trial.epochs).sort((a, b) =>
    CURVE_ORDER.indexOf(a.state) - CURVE_ORDER.indexOf(b.state) || (PLACE.get(b) ?? 0) - (PLACE.get(a) ?? 0));
  const all = drawn.map((trial) => [trial, curveOf(trial, metric, soFar)]);
  const values = all.flatMap(([, curve]) => curve), range = whole ? extent(values.filter((one) => one !== null)) : robust(values);
  const x = scale({ low: 1, high: Math.max(2, F.study.max_epochs) }, box.left, box.right);
  const y = scale(range, box.bottom, box.top);
  const rungs = F.study.rungs.map((rung) => `<line class="rung" x1="${x(rung)}" x2="${x(rung)}"
    y1="${box.top}" y2="${box.bottom}"/><text class="note" x="${x(rung) + 4}" y="${box.top + 10}">rung ${rung}</text>`);
  const place = (curve) => curve.map((value, epoch) => [x(epoch + 1), value === null ? null : y(value)]);
  const lines = all.map(([trial, curve]) => curve.length === 1
    ? dots(place(curve).filter(([, at]) => at !== null), trial.state)
    : `<path class="curve ${isFull(trial) ? "full" : trial.state}" ${isFull(trial) ? shade(trial) : ""} d="${path(place(curve))}"/>`);
  const own = (trial, kind) => {
    const found = trial && all.find(([one]) => one === trial);
    return found ? `<path class="line ${kind}" d="${path(place(found[1]))}"/>` : "";
  };
  const near = all.flatMap(([trial, curve]) => curve.flatMap((value, epoch) =>
    value === null || value < range.low || value > range.high ? []
      : [[x(epoch + 1), y(value), trial, value, epoch + 1]]));
  const inner = rungs.join("") + lines.join("") + own(published, "published") + own(best, "best");
  return {
    height, near,
    svg: axes(box, x, y, { xLabel: "epoch of training", yLabel: soFar ? `best ${metric}` : metric,
      xTicks: x.ticks(width / 90).filter(Number.isInteger) }) + clipped(box, inner)
      + cut(beyond(values, range), box),
    mark: (trial) => clipped(box, own(trial, "hot")),
  };
}

function rungsSection(section) {
  section.append(make(`<p class="advice">${esc(F.advice)}</p>`));
  if (!F.ranks.length) return;
  section.append(legend([["line completed", "Spearman’s correlation with the value after full training"],
    ["line band", "95 % interval"], F.study.rungs.length && ["line rung", "rung"]]));
  section.append(figure({ label: "How well each epoch ranks trials", draw: drawRanks }));
  const rows = F.ranks.filter((one) => F.study.rungs.includes(one.epoch)).map((one) =>
    `<tr><th scope="row">${one.epoch}</th><td>${fixed(one.correlation, 2)}</td>
     <td>${fixed(one.low, 2)} to ${fixed(one.high, 2)}</td><td>${one.trials}</td></tr>`).join("");
  if (rows) {
    section.append(make(`<div class="scroll"><table class="plain"><caption>Rungs against full training</caption>
      <thead><tr><th scope="col">rung</th><th scope="col">correlation</th><th scope="col">95 % interval</th>
      <th scope="col">trials</th></tr></thead><tbody>${rows}</tbody></table></div>`));
  }
  section.append(make(`<p class="note">Completed trials only, valued by their best epoch up to there:
    the others have no final value. Interval after Bonett and Wright (2000).</p>`));
}

function drawRanks(width) {
  const height = 240, box = boxOf(width, height);
  const low = Math.min(0, ...F.ranks.map((one) => one.low));
  const x = scale({ low: 1, high: Math.max(2, F.study.max_epochs) }, box.left, box.right);
  const y = scale({ low: Math.max(-1, low), high: 1 }, box.bottom, box.top);
  const up = F.ranks.map((one) => [x(one.epoch), y(one.high)]);
  const down = F.ranks.map((one) => [x(one.epoch), y(one.low)]).reverse();
  const rungs = F.study.rungs.map((rung) => `<line class="rung" x1="${x(rung)}" x2="${x(rung)}"
    y1="${box.top}" y2="${box.bottom}"/>`).join("");
  const middle = F.ranks.map((one) => [x(one.epoch), y(one.correlation)]);
  const inner = `<path class="band" d="${path([...up, ...down])}Z"/>${rungs}
    <path class="line completed" d="${path(middle)}"/>`;
  return {
    height,
    svg: axes(box, x, y, { xLabel: "epoch of training", yLabel: "correlation",
      xTicks: x.ticks(width / 90).filter(Number.isInteger) }) + clipped(box, inner),
  };
}
