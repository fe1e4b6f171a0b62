// The page: its head, its sections in order, its foot. A section more is a line in SECTIONS:
// its name in links, its title, its word in the contents, what fills it, and whether it is there.

const SECTIONS = [
  ["incumbent", "Incumbent", "Incumbent", incumbentSection],
  ["race", "Under fresh seeds", "Fresh seeds", raceSection, () => F.race],
  ["progress", "Progress", "Progress", progressSection, () => F.progress.length],
  ["pareto", "Pareto set", "Pareto set", paretoSection, () => F.pareto?.length],
  ["curves", "Learning curves", "Curves", curvesSection, () => TRIALS.some((trial) => trial.epochs)],
  ["importances", "Which parameters matter", "Importances", importancesSection, () => TRIALS.length > 1],
  ["slices", "Objective against each parameter", "Slices", slicesSection, () => TRIALS.length > 1],
  ["parallel", "Parallel coordinates", "Parallel", parallelSection, () => TRIALS.length > 1],
  ["rungs", "Do early epochs rank trials?", "Rungs", rungsSection, () => TRIALS.length],
  ["time", "Where the time went", "Time", timeSection, () => F.spending.epochs],
  ["failures", "Failures", "Failures", failuresSection, () => TRIALS.length],
  ["trials", "All trials", "Trials", tableSection, () => TRIALS.length],
  ["study", "Study and provenance", "Study", studySection],
];

function head() {
  const { name, method, dataset, seed, generation, sampler, scheduler } = F.study;
  const ended = F.counts.completed + F.counts.stopped + F.counts.failed;
  const going = ended < F.study.trials;
  const states = ALL_STATES.filter((state) => F.counts[state]).map((state) =>
    `<span class="state ${state}">${F.counts[state]} ${state}</span>`).join(" ");
  const node = $("head");
  node.innerHTML = `<div class="top"><h1>${esc(name)}</h1></div>
    <p>${esc(method)} on ${esc(dataset)}: ${esc(LEAD.direction)} ${esc(F.study.objectives.map((one) => one.metric).join(", "))},
      sampler ${esc(sampler)}, scheduler ${esc(scheduler)}, seed ${seed}${generation > 1 ? `, generation ${generation}` : ""}</p>
    <p class="states">${states || "no trial yet"} <span class="note">${ended} of ${F.study.trials} trials have their ending${going ? "; not finished when this was written" : ""},
      ${esc(when(F.written_at))}</span></p>`;
  node.querySelector(".top").append(themeChoice());
}

function when(seconds) {
  return new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 16) + " UTC";
}

function themeChoice() {
  let kept = "auto";
  try { kept = localStorage.getItem("mmsearch-theme") ?? "auto"; } catch { /* not allowed for files */ }
  const use = (theme) => {
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("mmsearch-theme", theme); } catch { /* as above */ }
  };
  use(kept);
  return choice("theme", "Theme", [["auto", "Auto"], ["light", "Light"], ["dark", "Dark"]], kept, use);
}

function studySection(section) {
  const row = make('<div class="row"></div>');
  row.append(copyButton("Copy study file", () => F.study.text),
    copyButton("Copy search space as LaTeX", () => F.latex.space));
  const space = F.parameters.map((one) => `<tr><th scope="row">${esc(one.name)}</th><td>${esc(one.kind)}</td><td>${esc(one.values)}</td><td>${esc(one.condition)}</td></tr>`).join("");
  section.append(row,
    make(`<details class="wide"><summary>Search space</summary><div class="scroll"><table class="plain"><thead><tr><th scope="col">parameter</th><th scope="col">distribution</th><th scope="col">values</th><th scope="col">only when</th></tr></thead><tbody>${space}</tbody></table></div></details>`),
    make(`<details class="wide"><summary>Study file, resolved (SHA-256 ${esc(F.study.hash.slice(0, 12))}…)</summary><pre tabindex="0">${esc(F.study.text)}</pre></details>`),
    make(`<details class="wide"><summary>Provenance: versions, hardware, fingerprints, sittings</summary>${nested(F.provenance)}</details>`));
}

function nested(value) {
  if (value === null || typeof value !== "object") return esc(value);
  if (Array.isArray(value)) {
    return value.length && value.every((one) => typeof one !== "object") ? esc(value.join(", "))
      : `<ol>${value.map((one) => `<li>${nested(one)}</li>`).join("")}</ol>`;
  }
  return `<dl class="facts">${Object.entries(value).map(([key, one]) => `<dt>${esc(key)}</dt><dd>${nested(one)}</dd>`).join("")}</dl>`;
}

function build() {
  head();
  const main = $("main"), contents = $("contents");
  for (const [id, title, word, fill, there = () => true] of SECTIONS) {
    if (!there()) continue;
    const section = make(`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2></section>`);
    main.append(section);
    fill(section);
    contents.append(make(`<a href="#${id}">${word}</a>`));
  }
  $("foot").textContent = "Written by mmsearch. Values are of the validation split; the test split was not read by the search.";
}

build();
