// Parallel coordinates: a line a trial, an axis a parameter; dragging along an axis chooses trials.

function parallelSection(section) {
  const varied = F.parameters.filter(({ name }) =>
    new Set(TRIALS.map((trial) => trial.coordinates[name]).filter((one) => one !== undefined)).size > 1);
  if (!varied.length) {
    section.append(make('<p class="note">No parameter has taken two values yet.</p>'));
    return;
  }
  const status = make('<span class="note"></span>');
  const clear = make('<button type="button">Clear ranges</button>');
  const chart = figure({
    label: "Parallel coordinates of all trials", minWidth: 110 * (varied.length + 1),
    draw: (width) => drawParallel(width, varied),
  });
  clear.addEventListener("click", () => { shown.ranges.clear(); reshow(); });
  shown.listeners.push(() => {
    clear.disabled = shown.ranges.size === 0;
    status.textContent = `${visible.size} of ${plural(TRIALS.length, "trial")} shown`;
  });
  clear.disabled = true;
  const row = make('<div class="row"></div>');
  row.append(clear, status);
  section.append(make(`<p class="note">Drag along an axis to keep a range; every figure and the table follow.
    The table's filter does the same from the keyboard, for example <code>${esc(varied[0].name)}&lt;0.001</code>.</p>`), row,
  legend([["line ramp-low", "best values"], ["line ramp-high", "worst values"],
    ["line stopped", "not completed"], ["line best", "incumbent"], ["line published", "published"]]), chart);
  brushes(chart.querySelector("svg"), varied);
}

function parallelAxes(width, height, varied) {
  const box = { left: 40, right: width - 50, top: 44, bottom: height - 34 };
  const last = varied.length;
  const step = (box.right - box.left) / last;
  const list = varied.map((parameter, place) => ({
    name: parameter.name, parameter, x: box.left + step * place,
    ...parameterScale(parameter, box.bottom, box.top),
    get: (trial) => trial.coordinates[parameter.name],
  }));
  const range = valueRange(), y = scale(range, box.bottom, box.top);
  list.push({ name: LEAD.metric, x: box.right, at: (value) => y(Math.min(range.high, Math.max(range.low, value))), inner: y,
    ticks: y.ticks(6).map((one) => [y(one), num(one)]), get: (trial) => trial.value ?? undefined });
  return { box, list };
}

const ABSENT = 18;

function drawParallel(width, varied) {
  const height = 360, { box, list } = parallelAxes(width, height, varied);
  const at = (axis, trial) => {
    const value = axis.get(trial);
    return value === undefined ? box.bottom + ABSENT : axis.at(value);
  };
  const places = (trial) => list.map((axis) => [axis.x, at(axis, trial)]);
  const drawn = TRIALS.filter((trial) => trial.value !== null);
  const full = RANKED.filter((trial) => visible.has(trial)).reverse();
  const others = drawn.filter((trial) => !isFull(trial) && visible.has(trial));
  const line = (trial, kind, style = "") => `<path class="curve ${kind}" ${style} d="${path(places(trial))}"/>`;
  const lines = others.map((trial) => line(trial, "stopped"))
    .concat(full.map((trial) => line(trial, "full", shade(trial))));
  const own = (trial, kind) => (trial && trial.value !== null ? `<path class="line ${kind}" d="${path(places(trial))}"/>` : "");
  const anyAbsent = drawn.some((trial) => list.some((axis) => axis.get(trial) === undefined));
  const stems = list.map((axis, place) => {
    const held = shown.ranges.get(axis.name);
    return `<line class="axis" x1="${axis.x}" x2="${axis.x}" y1="${box.top}" y2="${box.bottom}"/>
      <text class="label" x="${axis.x}" y="${place % 2 ? 32 : 14}" text-anchor="${place ? "middle" : "start"}"
        ><title>${esc(axis.name)}</title>${esc(short(axis.name, 28))}</text>
      ${axis.ticks.map(([y, text]) => `<text class="tick halo" x="${axis.x - 4}" y="${y}" dy=".32em" text-anchor="end">${esc(text)}</text>`).join("")}
      ${held ? `<rect class="brush" x="${axis.x - 9}" width="18" y="${held.top}" height="${held.bottom - held.top}"/>` : ""}
      <rect class="handle" data-axis="${place}" x="${axis.x - 12}" width="24" y="${box.top - 6}" height="${box.bottom - box.top + 12}"/>`;
  });
  const near = drawn.filter((trial) => visible.has(trial)).flatMap((trial) =>
    places(trial).map(([x, y]) => [x, y, trial]));
  return {
    height, near,
    svg: lines.join("") + own(published, "published") + own(best, "best") + stems.join("")
      + (anyAbsent ? `<text class="note" x="${box.left - 36}" y="${box.bottom + ABSENT}" dy=".32em">absent</text>` : ""),
    mark: (trial) => own(trial, "hot"),
  };
}

// Dragging along an axis: what lies between both ends is shown, everywhere.
function brushes(svg, varied) {
  let axis = null, start = 0;
  const clamp = (y, box) => Math.min(box.bottom + 6, Math.max(box.top - 6, y));
  svg.addEventListener("pointerdown", (event) => {
    const place = event.target.dataset?.axis;
    if (place === undefined) return;
    axis = Number(place);
    start = event.offsetY;
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointerup", (event) => {
    if (axis === null) return;
    const { box, list } = parallelAxes(svg.clientWidth, svg.clientHeight, varied);
    const one = list[axis];
    const top = clamp(Math.min(start, event.offsetY), box), bottom = clamp(Math.max(start, event.offsetY), box);
    axis = null;
    if (bottom - top < 4) shown.ranges.delete(one.name);
    else {
      const kept = (trial) => {
        const value = one.get(trial);
        return value !== undefined && one.at(value) >= top && one.at(value) <= bottom;
      };
      shown.ranges.set(one.name, Object.assign(kept, { top, bottom }));
    }
    reshow();
  });
}
