// Where the time went, by state and by node, and which trials failed, and why.

function timeSection(section) {
  const spent = F.spending;
  const saved = spent.full_epochs ? 1 - spent.epochs / spent.full_epochs : 0;
  const facts = [
    ["Training", `${hours(spent.train_hours)} on gangs${HAS_GPUS ? `, ${num(spent.train_hours * F.gpus_per_trial, 3)} GPU-hours` : ""}`],
    ["Wall clock", `${hours(spent.wall_hours)}, pauses between sittings included`],
    ["At once", `${plural(spent.gangs, "trial")} at most${spent.busy === null ? "" : `; gangs trained ${percent(spent.busy, 0)} of the wall clock and waited, saved or started for the rest`}`],
    ["Epochs", `${spent.epochs.toLocaleString("en")}${saved > 0 ? `, ${percent(saved, 0)} fewer than if every ended trial had been trained for all ${F.study.max_epochs}` : ""}`],
  ];
  section.append(make(`<dl class="facts">${facts.map(([name, text]) => `<dt>${name}</dt><dd>${esc(text)}</dd>`).join("")}</dl>`));
  const total = spent.train_hours || 1;
  const states = Object.entries(spent.train_hours_by_state);
  section.append(make(`<div class="shares" role="img" aria-label="${esc(states.map(([state, value]) => `${state} ${percent(value / total, 0)}`).join(", "))}">
    ${states.filter(([, value]) => value > 0).map(([state, value]) => `<span class="share ${state}" style="width:${100 * value / total}%"></span>`).join("")}</div>`));
  section.append(make(`<ul class="legend">${states.map(([state, value]) =>
    `<li><svg width="14" height="14" aria-hidden="true">${`<rect class="share ${state}" width="12" height="12" y="1" rx="2"/>`}</svg>${state}: ${hours(value)} (${percent(value / total, 0)})</li>`).join("")}</ul>`));
  if (TRIALS.some((trial) => trial.segments.length)) {
    section.append(figure({ label: "When each trial was trained", draw: drawTimeline }));
  }
  if (spent.nodes.length) {
    section.append(make(`<div class="scroll"><table class="plain"><caption>By node</caption><thead><tr><th scope="col">node</th><th scope="col">segments</th>
      <th scope="col">epochs</th><th scope="col">training</th><th scope="col">seconds an epoch</th></tr></thead><tbody>${spent.nodes.map((node) =>
      `<tr><th scope="row">${esc(node.name)}</th><td>${node.segments}</td><td>${node.epochs}</td><td>${hours(node.train_hours)}</td>
       <td>${node.epochs ? num(node.train_hours * 3600 / node.epochs, 3) : "–"}</td></tr>`).join("")}</tbody></table></div>`));
  }
}

// Segments packed into as few rows as there were gangs, node by node.
function lanes() {
  const all = TRIALS.flatMap((trial) => trial.segments.map((segment) => ({ ...segment, trial })))
    .sort((a, b) => a.started_at - b.started_at);
  const rows = [];
  for (const one of all) {
    let row = rows.find((lane) => lane.node === one.node && lane.end <= one.started_at + 0.05);
    if (!row) rows.push(row = { node: one.node, end: 0, segments: [] });
    row.segments.push(one);
    row.end = one.started_at + one.seconds;
  }
  return rows.sort((a, b) => a.node.localeCompare(b.node));
}

const KNOWN_LANES = lanes();

function drawTimeline(width) {
  const row = Math.max(6, Math.min(16, 260 / Math.max(1, KNOWN_LANES.length)));
  const height = 20 + row * KNOWN_LANES.length + 46;
  const box = { left: 16, right: width - 16, top: 12, bottom: height - 40 };
  const begun = Math.min(...TRIALS.map((trial) => trial.started_at ?? Infinity), ...KNOWN_LANES.map((lane) => lane.segments[0].started_at));
  const end = Math.max(...KNOWN_LANES.map((lane) => lane.end));
  const unit = end - begun > 7200 ? [3600, "hours"] : end - begun > 300 ? [60, "minutes"] : [1, "seconds"];
  const x = scale({ low: 0, high: Math.max(1e-6, (end - begun) / unit[0]) }, box.left, box.right);
  const near = [], places = new Map(), parts = [];
  KNOWN_LANES.forEach((lane, place) => {
    const y = box.top + 4 + row * place;
    for (const { trial, started_at, seconds } of lane.segments) {
      const left = x((started_at - begun) / unit[0]), right = x((started_at + seconds - begun) / unit[0]);
      const shape = `x="${left.toFixed(1)}" width="${Math.max(1, right - left - 0.5).toFixed(1)}" y="${y}" height="${row - 2}"`;
      if (visible.has(trial)) {
        parts.push(`<rect class="share ${trial.state}" ${shape}/>`);
        near.push([(left + right) / 2, y + row / 2, trial]);
      }
      places.set(trial, (places.get(trial) ?? "") + `<rect class="outline" ${shape}/>`);
    }
  });
  return {
    height, near,
    svg: parts.join("") + axes(box, x, null, { yTicks: [], xLabel: `${unit[1]} since the first proposal; a row is a gang` }),
    mark: (trial) => places.get(trial) ?? "",
  };
}

function failuresSection(section) {
  const failed = TRIALS.filter((trial) => trial.failure);
  const lost = TRIALS.filter((trial) => trial.attempts);
  const WHY = { nan: "values that are no numbers", oom: "out of memory", lost: "its gang was lost",
    hang: "its gang hung", error: "an error" };
  if (!failed.length) section.append(make("<p>No trial failed.</p>"));
  const groups = new Map();
  for (const trial of failed) {
    const key = `${trial.failure.reason}\n${trial.failure.message.split("\n").filter(Boolean).at(-1) ?? ""}`;
    groups.set(key, [...(groups.get(key) ?? []), trial]);
  }
  for (const [key, trials] of [...groups].sort((a, b) => b[1].length - a[1].length)) {
    const [reason, line] = key.split("\n");
    const links = trials.slice(0, 30).map(trialLink).join(", ") + (trials.length > 30 ? ", …" : "");
    section.append(make(`<details class="wide" open><summary><strong>${plural(trials.length, "trial")}: ${esc(WHY[reason] ?? reason)}</strong>
      ${line ? ` – ${esc(line.slice(0, 160))}` : ""}</summary><p>${links}</p><pre>${esc(trials[0].failure.message || "no message")}</pre></details>`));
  }
  if (lost.length) {
    section.append(make(`<p>${plural(lost.length, "trial")} lost a gang and ${lost.length === 1 ? "was" : "were"} tried again: ${lost.slice(0, 30).map(trialLink).join(", ")}.</p>`));
  }
}
