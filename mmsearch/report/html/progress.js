// The incumbent: what it is, and how the best value came down with trials, epochs and time.

const SPENT = [
  ["trials", "trials", (p) => p.trials],
  ["epochs", "epochs", (p) => p.epochs],
  HAS_GPUS
    ? ["gpu", "GPU-hours", (p) => p.train_hours * F.gpus_per_trial]
    : ["train", "training hours", (p) => p.train_hours],
  ["wall", "wall-clock hours", (p) => p.wall_hours],
];
const SPENT_LABEL = {
  trials: "trials that had their ending", epochs: "epochs trained, over all trials",
  gpu: "GPU-hours of training, over all trials",
  train: "hours of training, over all gangs (no GPU)",
  wall: "wall-clock hours since the first proposal, pauses included",
};

function headline() {
  const node = make('<div class="cards"></div>');
  if (!best) {
    node.append(make(`<p class="note">No trial has been trained to full fidelity yet, so there is no incumbent.</p>`));
    return node;
  }
  const card = (title, value, more) => node.append(make(
    `<div class="card"><h3>${title}</h3><p class="big">${value}</p><p>${more}</p></div>`));
  card("Incumbent", fixed(best.value),
    `${esc(LEAD.metric)}, ${esc(LEAD.direction)}d<br>trial ${best.number}, epoch ${best.value_epoch}`);
  if (best === published) {
    card("Lead", "none", "the published configuration itself is the best so far");
  } else if (F.lead) {
    const ahead = F.lead.absolute;
    card("Lead over published", `${ahead >= 0 ? "+" : "−"}${fixed(Math.abs(ahead))}`,
      `${F.lead.relative === null ? "" : `${percent(Math.abs(F.lead.relative))} ${ahead >= 0 ? "better" : "worse"}<br>`}published: ${fixed(published.value)}, also trained in full`);
  } else {
    card("Lead over published", "–", published
      ? `the published configuration is ${esc(published.state)}: nothing to compare with`
      : "the published configuration was not trained yet");
  }
  const spent = F.spending;
  card("Spent", plural(TRIALS.length, "trial"),
    `${plural(spent.epochs, "epoch")}, ${hours(spent.train_hours)} of training${HAS_GPUS
      ? `, ${num(spent.train_hours * F.gpus_per_trial, 3)} GPU-hours` : ""}`);
  return node;
}

function incumbentSection(section) {
  section.append(headline());
  if (!best) return;
  section.append(make(`<p class="caveat"><strong>One seed.</strong> This is the best of
    ${plural(TRIALS.filter(isFull).length, "completed trial")}, each trained once: its value is
    optimistic until the configuration is trained again under fresh seeds. Validation only; no trial has seen the test split.</p>`));
  section.append(configTable());
  const row = make('<div class="row"></div>');
  row.append(copyButton("Copy configuration as TOML", () => configToml(best)),
    copyButton("Copy table of the best as LaTeX", () => F.latex.best));
  section.append(row);
}

// The searched part of the incumbent beside the published one.
function configTable() {
  const both = published && published !== best;
  const rows = F.parameters
    .filter(({ name }) => name in best.coordinates || (both && name in published.coordinates))
    .map(({ name }) => {
      const own = best.coordinates[name], old = published?.coordinates[name];
      return `<tr class="${both && own !== old ? "changed" : ""}"><th scope="row">${esc(name)}</th>
        <td>${esc(num(own))}</td>${both ? `<td>${esc(num(old))}</td>` : ""}</tr>`;
    }).join("");
  return make(`<details class="wide"><summary>Searched parameters of the incumbent</summary>
    <div class="scroll"><table class="plain"><thead><tr><th scope="col">parameter</th>
    <th scope="col">incumbent</th>${both ? '<th scope="col">published</th>' : ""}</tr></thead>
    <tbody>${rows}</tbody></table></div></details>`);
}

function progressSection(section) {
  let by = "trials";
  const chart = figure({
    label: `Best ${LEAD.metric} so far against what was spent`,
    draw: (width) => drawProgress(width, by),
  });
  section.append(choice("spent", "Against", SPENT.map(([key, text]) => [key, text]), by, (value) => {
    by = value;
    chart.redraw(true);
  }));
  section.append(legend([["line best", "incumbent"], ["completed", "completed trial"],
    published && isFull(published) && ["line published", "published configuration"]]));
  section.append(chart);
}

function spentInAll() {
  const { epochs, train_hours, wall_hours } = F.spending;
  return { trials: TRIALS.filter((trial) => trial.ended_at !== null).length, epochs, train_hours, wall_hours };
}

function drawProgress(width, by) {
  const height = 300, box = boxOf(width, height);
  const get = SPENT.find(([key]) => key === by)[2];
  const points = F.progress.filter((point) => visible.has(TRIALS[point.trial]));
  const values = points.map((point) => point.value);
  const range = robust(values);
  const x = scale({ low: 0, high: Math.max(get(spentInAll()), ...points.map(get), 1e-9) }, box.left, box.right);
  const y = scale(range, box.bottom, box.top);
  const marks = axes(box, x, y, { xLabel: SPENT_LABEL[by], yLabel: LEAD.metric,
    xTicks: x.ticks(width / 90).filter((tick) => !["trials", "epochs"].includes(by) || Number.isInteger(tick)) });
  const near = points.map((point) => [x(get(point)), y(point.value), TRIALS[point.trial]]);
  const steps = [];
  let top = null;
  for (const point of points) {
    if (top !== null && !better(point.value, top)) continue;
    if (top !== null) steps.push([x(get(point)), y(top)]);
    top = point.value;
    steps.push([x(get(point)), y(top)]);
  }
  if (top !== null) steps.push([box.right, y(top)]);
  const line = published && isFull(published)
    ? `<path class="line published" d="M${box.left} ${y(published.value)}H${box.right}"/>` : "";
  const inner = `${line}${dots(near, "completed")}<path class="line best" d="${path(steps)}"/>`;
  return {
    height, near,
    svg: marks + clipped({ ...box, right: box.right + 5, bottom: box.bottom + 4 }, inner) + cut(beyond(values, range), box),
    mark: (trial) => {
      const found = near.find(([, , one]) => one === trial);
      return found ? ring(found[0], found[1], "hot") : "";
    },
  };
}

// Says how many values an axis leaves out.
function cut(count, box) {
  return count ? `<text class="note" x="${box.right}" y="${box.top + 4}" text-anchor="end">${
    plural(count, "value")} beyond the axis</text>` : "";
}

function paretoSection(section) {
  const others = F.study.objectives.slice(1);
  const members = F.pareto.map((number) => TRIALS[number]);
  section.append(make(`<p>${plural(members.length, "trial")} of ${TRIALS.filter(isFull).length} completed
    that no other one beats in every objective. The leading objective alone names the incumbent.</p>`));
  section.append(legend([["completed", "completed"], ["line best", "Pareto set"], ["published", "published"]]));
  others.forEach((other, place) => section.append(figure({
    label: `${LEAD.metric} against ${other.metric}`,
    draw: (width) => drawPareto(width, other, place + 1, members),
  })));
  const heads = F.study.objectives.map((one) => `<th scope="col">${esc(one.metric)}</th>`).join("");
  section.append(make(`<div class="scroll"><table class="plain"><caption>The Pareto set, best ${esc(LEAD.metric)} first</caption>
    <thead><tr><th scope="col">trial</th>${heads}</tr></thead><tbody>${members.map((trial) =>
    `<tr><th scope="row">${trialLink(trial)}</th>${trial.objectives.map((one) => `<td>${num(one, 5)}</td>`).join("")}</tr>`).join("")}
    </tbody></table></div>`));
}

function drawPareto(width, other, place, members) {
  const height = 320, box = boxOf(width, height);
  const full = TRIALS.filter((trial) => trial.objectives && visible.has(trial));
  const xs = full.map((trial) => trial.objectives[place]), ys = full.map((trial) => trial.objectives[0]);
  const x = scale(extent(xs), box.left, box.right), y = scale(extent(ys), box.bottom, box.top);
  const near = full.map((trial) => [x(trial.objectives[place]), y(trial.objectives[0]), trial]);
  const set = near.filter(([, , trial]) => members.includes(trial)).sort((a, b) => a[0] - b[0]);
  // With two objectives the front is a staircase; with more, its shadow on two is none.
  const steps = F.study.objectives.length === 2
    ? set.flatMap(([px, py], at) => (at ? [[px, set[at - 1][1]], [px, py]] : [[px, py]])) : [];
  const old = near.find(([, , trial]) => trial === published);
  return {
    height, near,
    svg: axes(box, x, y, { xLabel: `${other.metric} (${other.direction})`, yLabel: LEAD.metric })
      + dots(near, "completed") + `<path class="line best thin" d="${path(steps)}"/>`
      + set.map(([px, py]) => ring(px, py)).join("") + (old ? star(old[0], old[1]) : ""),
    mark: (trial) => {
      const found = near.find(([, , one]) => one === trial);
      return found ? ring(found[0], found[1], "hot") : "";
    },
  };
}
