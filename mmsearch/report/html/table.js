// The table of all trials: sorted by any column, filtered by words and comparisons.

const PAGE = 100;
let sort = { column: "value", down: BETTER > 0 }, rowsShown = PAGE;

function columns() {
  const other = F.metrics.map((name, place) => ({ name, place })).filter(({ name }) => name !== LEAD.metric);
  return [
    { key: "number", text: "#", get: (trial) => trial.number },
    { key: "state", text: "state", get: (trial) => trial.state },
    { key: "value", text: LEAD.metric, get: (trial) => trial.value, show: fixed },
    { key: "at", text: "at epoch", get: (trial) => trial.value_epoch },
    { key: "epochs", text: "epochs", get: (trial) => trial.epochs },
    { key: "seconds", text: "training (s)", get: (trial) => trial.seconds, show: (one) => num(one, 3) },
    ...F.parameters.map(({ name }) => ({ key: `p:${name}`, text: name, get: (trial) => trial.coordinates[name] ?? null })),
    ...other.map(({ name, place }) => ({ key: `m:${name}`, text: name, get: (trial) => trial.metrics[place], show: fixed })),
  ];
}

// What is not there comes last, whichever way the table is sorted; what is not completed comes
// after what is, by value, since their values may not be compared.
function compare(column) {
  return (a, b) => {
    if (column.key === "value" && isFull(a) !== isFull(b)) return isFull(a) ? -1 : 1;
    const left = column.get(a), right = column.get(b);
    if (left === null || right === null) return (left === null) - (right === null) || a.number - b.number;
    const order = typeof left === "number" && typeof right === "number" ? left - right
      : String(left).localeCompare(String(right), "en", { numeric: true });
    return (sort.down ? -order : order) || a.number - b.number;
  };
}

function trialLink(trial) {
  return `<button type="button" class="link" data-trial="${trial.number}">${trial.number}</button>`;
}

function tableSection(section) {
  const all = columns();
  const filter = make(`<label class="grow">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false"
    placeholder="words, or comparisons: value&lt;0.6 fusion=concat epochs&gt;=9"></label>`);
  const boxes = make('<fieldset class="choice states"><legend>States</legend></fieldset>');
  for (const state of ALL_STATES.filter((one) => F.counts[one])) {
    const box = make(`<label><input type="checkbox" checked><span>${state} (${F.counts[state]})</span></label>`);
    box.firstElementChild.addEventListener("change", (event) => {
      event.target.checked ? shown.states.add(state) : shown.states.delete(state);
      reshow();
    });
    boxes.append(box);
  }
  let waiting = 0;
  filter.lastElementChild.addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { shown.words = event.target.value; rowsShown = PAGE; reshow(); }, 150);
  });
  const status = make('<p class="note" role="status"></p>');
  const table = make(`<div class="scroll tall" tabindex="0" role="region" aria-label="Table of trials"><table class="trials"><thead><tr>${all.map((one) =>
    `<th scope="col"><button type="button" data-key="${esc(one.key)}">${esc(one.text)}</button></th>`).join("")}</tr></thead><tbody></tbody></table></div>`);
  const more = make('<button type="button">Show all rows</button>');
  const body = table.querySelector("tbody");
  const fill = () => {
    const column = all.find((one) => one.key === sort.column);
    const chosen = [...visible].sort(compare(column));
    body.innerHTML = chosen.slice(0, rowsShown).map((trial) => row(trial, all)).join("");
    more.hidden = chosen.length <= rowsShown;
    status.textContent = `${chosen.length} of ${plural(TRIALS.length, "trial")}${more.hidden ? "" : `, the first ${rowsShown} listed`}. Filters hold for every figure.`;
    for (const button of table.querySelectorAll("th button")) {
      const own = button.dataset.key === sort.column;
      button.parentElement.setAttribute("aria-sort", own ? (sort.down ? "descending" : "ascending") : "none");
    }
  };
  more.addEventListener("click", () => { rowsShown = Infinity; fill(); });
  table.querySelector("thead").addEventListener("click", (event) => {
    const key = event.target.dataset.key;
    if (!key) return;
    sort = { column: key, down: sort.column === key ? !sort.down : key === "value" && BETTER > 0 };
    fill();
  });
  body.addEventListener("pointerover", (event) => {
    const found = event.target.closest("tr");
    light(found ? TRIALS[found.dataset.trial] : null);
  });
  body.addEventListener("pointerleave", () => light(null));
  body.addEventListener("click", (event) => {
    if (event.target.closest("button")) return;
    const found = event.target.closest("tr");
    if (found) openTrial(TRIALS[found.dataset.trial]);
  });
  lit.listeners.push((trial) => {
    body.querySelector("tr.hot")?.classList.remove("hot");
    if (trial) body.querySelector(`tr[data-trial="${trial.number}"]`)?.classList.add("hot");
  });
  shown.listeners.push(fill);
  fill();
  const row1 = make('<div class="row"></div>');
  row1.append(filter, boxes);
  const row2 = make('<div class="row"></div>');
  row2.append(more, copyButton("Copy shown trials as CSV", () => csv(all)),
    copyButton("Copy table of the best as LaTeX", () => F.latex.best));
  section.append(row1, status, table, row2);
}

function row(trial, all) {
  const cells = all.slice(1).map(({ get, show }) => {
    const value = get(trial);
    const text = value === null ? "" : (show ?? num)(value);
    return `<td class="${typeof value === "number" ? "n" : ""}">${esc(text)}</td>`;
  });
  const kind = trial === best ? "best" : trial === published ? "published" : "";
  const word = kind === "best" ? "incumbent" : kind;
  return `<tr data-trial="${trial.number}" class="${trial.state} ${kind}"><th scope="row">${trialLink(trial)}${
    word ? `<span class="badge ${kind}">${word}</span>` : ""}</th>${cells.join("")}</tr>`;
}

function csv(all) {
  const quoted = (value) => {
    const text = value === null ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const column = all.find((one) => one.key === sort.column);
  return [all.map((one) => quoted(one.text)), ...[...visible].sort(compare(column))
    .map((trial) => all.map((one) => quoted(one.get(trial))))].map((cells) => cells.join(",")).join("\n");
}
