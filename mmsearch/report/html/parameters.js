// Which parameters matter: importances with their uncertainty, and the objective against each one.

function importancesSection(section) {
  if (!F.importances.length) {
    section.append(make('<p class="note">Fewer than 20 trials have reached a rung: too few to say which parameters matter.</p>'));
    return;
  }
  const last = F.importances.length - 1;
  // The deepest fidelity of which the forest explains something, or the one it explains best.
  const told = F.importances.findLastIndex((one) => one.explained >= 0.1);
  const most = F.importances.reduce((top, one, place, all) => (one.explained > all[top].explained ? place : top), 0);
  let chosen = String(told >= 0 ? told : most);
  const label = ({ epoch, trials }) => `${epoch === null ? "full training" : `rung ${epoch}`} (${trials} trials)`;
  const note = make('<p class="note"></p>');
  const say = () => {
    const { explained, epoch } = F.importances[chosen];
    note.textContent = `The forest explains ${percent(Math.max(0, explained), 0)} of the variance of ranks among trials it has not seen${
      explained < 0.1 ? ": nearly nothing, so these bars say nearly nothing" : ""}. ${
      epoch === null ? "Only completed trials: those that the scheduler stopped are not in here." : "Trials that were stopped later are in here."}`;
  };
  const chart = figure({ label: "Importance of each parameter", draw: (width) => drawImportances(width, F.importances[chosen]) });
  if (last > 0) {
    section.append(choice("fidelity", "At", F.importances.map((one, place) => [String(place), label(one)]),
      chosen, (value) => { chosen = value; say(); chart.redraw(true); }));
  }
  say();
  section.append(note, chart, make(`<p class="note">By how much the explained share falls when one parameter is shuffled among the trials that have it:
    mean and 5 to 95 % interval over 20 draws of trials (forests of randomised trees on ranks; Breiman 2001). A bar whose interval touches 0 may be chance.
    The searcher does not draw evenly, and correlated parameters share their importance.</p>`));
}

function drawImportances(width, { importances }) {
  const left = Math.min(230, Math.max(110, width * 0.3));
  const row = 22, height = 16 + importances.length * row + 44;
  const box = { left, right: width - 16, top: 8, bottom: height - 40 };
  const x = scale({ low: Math.min(0, ...importances.map((one) => one.low)),
    high: Math.max(0.05, ...importances.map((one) => one.high)) }, box.left, box.right);
  const lines = importances.map((one, place) => {
    const y = box.top + row * (place + 0.5) + 4;
    const name = short(one.parameter, Math.floor((left - 12) / 7));
    return `<g><title>${esc(one.parameter)}: ${fixed(one.mean, 3)} (${fixed(one.low, 3)} to ${fixed(one.high, 3)}), ${one.trials} trials</title>
      <text class="tick" x="${left - 8}" y="${y}" dy=".32em" text-anchor="end">${esc(name)}</text>
      <rect class="bar" x="${Math.min(x(0), x(one.mean))}" width="${Math.abs(x(one.mean) - x(0))}" y="${y - 6}" height="12"/>
      <path class="whisker" d="M${x(one.low)} ${y}H${x(one.high)}M${x(one.low)} ${y - 4}v8M${x(one.high)} ${y - 4}v8"/></g>`;
  });
  const grid = x.ticks(width / 120).map((tick) => `<line class="grid" x1="${x(tick)}" x2="${x(tick)}" y1="${box.top}" y2="${box.bottom}"/>
    <text class="tick" x="${x(tick)}" y="${box.bottom + 16}" text-anchor="middle">${num(tick)}</text>`).join("");
  return { height, svg: `${grid}${lines.join("")}<line class="axis" x1="${x(0)}" x2="${x(0)}" y1="${box.top}" y2="${box.bottom}"/>
    <text class="label" x="${(box.left + box.right) / 2}" y="${box.bottom + 34}" text-anchor="middle">loss of explained variance</text>` };
}

function short(text, length) {
  return text.length <= length ? text : `…${text.slice(text.length - length + 1)}`;
}

function slicesSection(section) {
  const varied = F.parameters.filter(({ name }) =>
    new Set(TRIALS.map((trial) => trial.coordinates[name]).filter((one) => one !== undefined)).size > 1);
  if (!varied.length || !TRIALS.some((trial) => trial.value !== null)) {
    section.append(make('<p class="note">No parameter has taken two values yet.</p>'));
    return;
  }
  section.append(legend([["completed", "completed"], ["stopped", "stopped: value at its last epoch"],
    (F.counts.running || F.counts.paused) && ["running", "running or paused"],
    F.counts.failed && ["cross", "failed: at the worse edge"], ["ring", "incumbent"], ["published", "published"]]));
  const order = new Map((F.importances.at(-1)?.importances ?? []).map((one, place) => [one.parameter, place]));
  varied.sort((a, b) => (order.get(a.name) ?? 999) - (order.get(b.name) ?? 999));
  const grid = make('<div class="slices"></div>');
  for (const parameter of varied) {
    grid.append(figure({
      label: `${LEAD.metric} against ${parameter.name}`,
      draw: (width) => drawSlice(width, parameter),
    }));
  }
  section.append(grid, make(`<p class="note">All panels share their vertical axis${order.size ? "; the most important parameter comes first" : ""}.
    A stopped trial is shown at the value it was stopped with, which a completed one may not be compared with.${
    outside() ? ` ${plural(outside(), "value")} lie beyond the axis.` : ""}</p>`));
}

// The horizontal scale of a parameter: even as it is drawn, a weight that is off at the far left.
function parameterScale(parameter, from, to) {
  const values = TRIALS.map((trial) => trial.coordinates[parameter.name]).filter((one) => one !== undefined);
  if (parameter.choices) {
    const step = (to - from) / parameter.choices.length;
    const at = (value) => from + step * (parameter.choices.findIndex((one) => one === value) + 0.5);
    return { at, ticks: parameter.choices.map((one) => [at(one), String(one)]), jitter: step * 0.5, zero: null };
  }
  const positive = parameter.log ? values.filter((one) => one > 0) : values;
  const off = parameter.log && positive.length < values.length;
  const room = off ? (to - from) * 0.2 : 0;
  const { low, high } = extent(positive, 0);
  const range = parameter.log && low > 0 ? { low: low / 1.1, high: high * 1.1, log: true } : extent(positive);
  const inner = scale(range, from + room, to);
  const at = (value) => (off && value === 0 ? from + room * 0.35 : inner(value));
  const ticks = inner.ticks(Math.max(2, Math.abs(to - from) / 70)).map((tick) => [inner(tick), num(tick, 3)]);
  return { at, ticks: off ? [[from + room * 0.35, "off"], ...ticks] : ticks, jitter: 0, inner };
}

const SLICE = { left: 50, right: 10, top: 26, plot: 138 };

// What stands under the axis of a slice: names that do not fit side by side are slanted.
function sliceTicks(parameter, marks, box) {
  const room = (box.right - box.left) / Math.max(1, marks.length);
  const slanted = parameter.choices !== null && marks.some(([, text]) => text.length * 6.6 > room - 4);
  const text = (px, words) => (slanted
    ? `<text class="tick" transform="translate(${px + 3} ${box.bottom + 13}) rotate(-32)" text-anchor="end">${esc(short(words, 15))}</text>`
    : `<text class="tick" x="${px}" y="${box.bottom + 16}" text-anchor="middle">${esc(words)}</text>`);
  return { room: slanted ? 66 : 26, svg: marks.map(([px, words]) => `<line class="axis" x1="${px}" x2="${px}"
    y1="${box.bottom}" y2="${box.bottom + 4}"/>${text(px, words)}`).join("") };
}

function drawSlice(width, parameter) {
  const box = { left: SLICE.left, right: width - SLICE.right, top: SLICE.top, bottom: SLICE.top + SLICE.plot };
  const drawn = TRIALS.filter((trial) => visible.has(trial) && parameter.name in trial.coordinates
    && (trial.state === "failed" || (trial.value !== null && beyond([trial.value], valueRange()) === 0)));
  const y = scale(valueRange(), box.bottom, box.top);
  const { at, ticks: marks, jitter } = parameterScale(parameter, box.left + 8, box.right - 8);
  const near = drawn.map((trial) => [at(trial.coordinates[parameter.name]) + jitter * spread(trial.number),
    trial.state === "failed" ? (BETTER < 0 ? box.top + 5 : box.bottom - 5) : y(trial.value), trial]);
  const of = (...states) => near.filter(([, , trial]) => states.includes(trial.state));
  const own = (trial) => near.find(([, , one]) => one === trial);
  const top = best && own(best), old = published && own(published);
  const under = sliceTicks(parameter, marks, box);
  return {
    height: box.bottom + under.room, near,
    svg: axes(box, null, y, { xTicks: [], yTicks: y.ticks(4) }) + under.svg
      + `<text class="label" x="${box.left}" y="14"><title>${esc(parameter.name)}</title>${esc(short(parameter.name, Math.floor(width / 7.5)))}</text>`
      + clipped({ ...box, left: box.left - 4, right: box.right + 10, bottom: box.bottom + 5 },
        dots(of("stopped"), "stopped") + cross(of("failed")) + dots(of("running", "paused"), "running")
        + dots(of("completed"), "completed") + (old ? star(old[0], old[1], 6) : "") + (top ? ring(top[0], top[1], "best", 5) : "")),
    mark: (trial) => { const found = own(trial); return found ? ring(found[0], found[1], "hot", 6) : ""; },
  };
}

// Where completed trials lie, and as much again on the side of what is worse, for stopped ones.
let range = null;
function valueRange() {
  if (range) return range;
  const some = RANKED.length ? RANKED : TRIALS.filter((trial) => trial.value !== null);
  range = robust(some.map((trial) => trial.value));
  if (F.counts.stopped) range[BETTER < 0 ? "high" : "low"] -= BETTER * (range.high - range.low);
  return range;
}

function outside() {
  return beyond(TRIALS.filter((trial) => trial.state !== "failed").map((trial) => trial.value), valueRange());
}

// Keeps points of one choice apart, in [-0.5, 0.5], the same at every drawing.
function spread(number) {
  return (number * 0.6180339887) % 1 - 0.5;
}
