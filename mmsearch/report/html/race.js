// The race over fresh seeds: every candidate, the choice, and every opening of the test split.

function raceSection(section) {
  const { selection, candidates = [], test = [], troubles = [] } = F.race;
  const warn = (text) => section.append(make(`<p class="caveat">${esc(text)}</p>`));
  troubles.forEach(warn);
  if (selection) {
    const more = F.counts.completed + F.counts.stopped + F.counts.failed - selection.searched;
    if (more > 0) warn(`${plural(more, "trial")} ended after this choice; the same command of best races anew.`);
    section.append(make(`<p>Chosen: trial ${trialLink(TRIALS[selection.trial])}, ${esc(selection.rule)}; ${esc(selection.why)}.
      ${num(selection.epochs, 6)} of ${num(selection.budget_epochs, 6)} epochs spent; the standard deviation over seeds of one configuration is ${fixed(selection.noise)}.</p>`));
    section.append(candidateTable(candidates, selection));
  }
  if (test.length > 1) warn(`Test was opened ${test.length} times: only the first opening's figures are of a choice made without them.`);
  for (const opening of test) section.append(openingTable(opening));
  if (selection && !test.length && !troubles.length) section.append(make("<p>The test split is sealed.</p>"));
}

function candidateTable(candidates, { level }) {
  const rows = candidates.map((one) => {
    const names = [one.chosen && "chosen", one.published && "published"].filter(Boolean);
    const failed = Object.entries(one.failures ?? {}).map(([seed, why]) => `seed ${seed} failed (${why})`);
    return `<tr><th scope="row">${trialLink(TRIALS[one.trial])} ${names.map((name) => `<span class="badge ${name}">${name}</span>`).join("")}</th>
      <td>${one.seeds}</td><td>${fixed(one.mean)}${one.sd === undefined ? "" : ` ± ${fixed(one.sd)}`}</td>
      <td>${fixed(one.expected)}</td><td>${fixed(one.low)} to ${fixed(one.high)}</td>
      <td>${failed.length ? "out" : percent(one.probability_best, 0)}</td><td>${one.tied ? "yes" : "no"}</td>
      <td>${one.p_against_published === undefined ? "–" : fixed(one.p_against_published, 3)}</td>
      <td>${fixed(one.searched_value)}</td><td>${esc(failed.join("; "))}</td></tr>`;
  });
  const heads = ["candidate", "seeds", "mean ± sd", "expected", `${percent(level, 0)} interval`, "best", "tied", "p", "in the search", ""];
  return make(`<div class="scroll"><table class="plain"><caption>${esc(LEAD.metric)} under fresh seeds. Expected: under a new seed, with the luck of being chosen taken out.
    Best: probability. p: paired t test against the published configuration, Holm-adjusted.</caption>
    <thead><tr>${heads.map((one) => `<th scope="col">${one}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`);
}

function openingTable({ opened_at: at, trial, rule, why, ...figures }) {
  const names = Object.keys(figures), metrics = names.length ? Object.keys(figures[names[0]]) : [];
  const cell = (one) => one === undefined ? "<td>–</td>"
    : `<td>${fixed(one.mean)}${one.sd === undefined || one.sd === null ? "" : ` ± ${fixed(one.sd)} (${fixed(one.low)} to ${fixed(one.high)})`}, ${plural(one.seeds, "seed")}</td>`;
  return make(`<div class="scroll"><table class="plain"><caption>Test, opened ${esc(at)} for trial ${trialLink(TRIALS[trial])} (${esc(rule)}; ${esc(why)})${
    names.length ? ": mean ± sd over seeds, 95 % interval of the mean" : "; begun and not completed"}</caption>
    <thead><tr><th scope="col">metric</th>${names.map((name) => `<th scope="col">${esc(name)}</th>`).join("")}</tr></thead>
    <tbody>${metrics.map((metric) => `<tr><th scope="row">${esc(metric)}</th>${names.map((name) => cell(figures[name][metric])).join("")}</tr>`).join("")}</tbody></table></div>`);
}
