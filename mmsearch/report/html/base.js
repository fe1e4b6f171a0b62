// What every part of the page needs: the facts, words for numbers, and one highlighted trial.

const F = JSON.parse(document.getElementById("facts").textContent);
const LEAD = F.study.objectives[0];
const BETTER = LEAD.direction === "minimize" ? -1 : 1;
const TRIALS = F.trials;
const ALL_STATES = ["completed", "stopped", "paused", "running", "failed"];
const HAS_GPUS = F.gpus_per_trial > 0;

const $ = (id) => document.getElementById(id);

function esc(value) {
  return String(value).replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}

// An element from markup; whatever text it holds must have gone through esc.
function make(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  return holder.content.firstElementChild;
}

// A number in few digits; for axes and cells.
function num(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) {
    return value.toExponential(Math.max(0, digits - 2)).replace(/\.?0+e/, "e").replace("e+", "e");
  }
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(digits)));
}

function fixed(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-4)
    ? value.toExponential(3) : value.toFixed(digits);
}

function percent(value, digits = 1) {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)} %`;
}

function hours(value) {
  const seconds = value * 3600;
  if (seconds < 60) return `${num(seconds, 3)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return value < 48 ? `${num(value, 3)} h` : `${num(value / 24, 3)} days`;
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

const better = (a, b) => BETTER * (a - b) > 0;
const isFull = (trial) => trial.state === "completed" && trial.value !== null;
const best = F.incumbent === null ? null : TRIALS[F.incumbent];
const published = TRIALS.length && TRIALS[0].number === 0 ? TRIALS[0] : null;

// Completed trials, best first; the better one is, the stronger its colour.
const RANKED = TRIALS.filter(isFull).sort((a, b) => BETTER * (b.value - a.value));
const PLACE = new Map(RANKED.map((trial, place) => [trial, place]));
const SHADES = 6;
function shade(trial) {
  const share = 1 - (PLACE.get(trial) + 0.5) / RANKED.length;
  return `style="stroke:var(--ramp-${Math.floor(share * SHADES)})"`;
}

// Many trials are drawn finer.
const CROWD = Math.max(1, TRIALS.length / 150);
document.documentElement.style.setProperty("--dot", `${Math.max(3.6, 6 / CROWD ** 0.35)}px`);
document.documentElement.style.setProperty("--faint", String(Math.max(0.25, 0.8 / CROWD ** 0.6)));

function configToml(trial) {
  return F.toml.header + trial.pieces.map((place) => F.toml.pieces[place]).join("");
}

function trialLabel(trial) {
  const names = [];
  if (trial === best) names.push("incumbent");
  if (trial === published) names.push("published");
  return `trial ${trial.number}${names.length ? ` (${names.join(", ")})` : ""}`;
}

// Copies a text and says so on the button; without the clipboard, as from a file, the old way.
function copyButton(label, text) {
  const button = make(`<button type="button" class="copy">${esc(label)}</button>`);
  button.addEventListener("click", async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      const area = make('<textarea class="offscreen" aria-hidden="true"></textarea>');
      area.value = text();
      button.after(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.textContent = done ? "Copied" : "Copying is not allowed here";
    setTimeout(() => { button.textContent = label; }, 1600);
  });
  return button;
}

// Radio buttons that look like one row of choices; tells what is chosen.
function choice(name, label, options, chosen, tell) {
  const field = make(`<fieldset class="choice"><legend>${esc(label)}</legend></fieldset>`);
  for (const [value, text] of options) {
    const option = make(`<label><input type="radio" name="${esc(name)}" value="${esc(value)}"
      ${value === chosen ? "checked" : ""}><span>${esc(text)}</span></label>`);
    option.firstElementChild.addEventListener("change", () => tell(value));
    field.append(option);
  }
  return field;
}

function toggle(label, on, tell) {
  const box = make(`<label class="toggle"><input type="checkbox" ${on ? "checked" : ""}>
    <span>${esc(label)}</span></label>`);
  box.firstElementChild.addEventListener("change", (event) => tell(event.target.checked));
  return box;
}

// One trial is lit up at a time, in every figure and in the table.
const lit = { trial: null, listeners: [] };
function light(trial) {
  if (lit.trial === trial) return;
  lit.trial = trial;
  for (const listener of lit.listeners) listener(trial);
}

// Which trials are shown: by state, by the words of the table's filter, and by ranges on axes.
const shown = { states: new Set(ALL_STATES), words: "", ranges: new Map(), listeners: [] };
let visible = new Set(TRIALS);
function reshow() {
  visible = new Set(TRIALS.filter((trial) => shown.states.has(trial.state)
    && hasWords(trial, shown.words) && inRanges(trial)));
  for (const listener of shown.listeners) listener();
}

function inRanges(trial) {
  for (const [, range] of shown.ranges) if (!range(trial)) return false;
  return true;
}

// "lr<0.001 fusion=low_rank completed": each word is a comparison, or stands in the trial's row.
const COMPARISON = /^([^<>=]+)(<=|>=|<|>|=)(.+)$/;
function hasWords(trial, words) {
  return words.split(/\s+/).filter(Boolean).every((word) => {
    const found = COMPARISON.exec(word);
    return found ? compares(trial, found) : rowText(trial).includes(word.toLowerCase());
  });
}

function compares(trial, [, name, sign, text]) {
  const value = named(trial, name);
  if (value === null || value === undefined) return false;
  if (sign === "=") return String(value).toLowerCase() === text.toLowerCase() || value === Number(text);
  const other = Number(text);
  if (typeof value !== "number" || Number.isNaN(other)) return false;
  return { "<": value < other, ">": value > other, "<=": value <= other, ">=": value >= other }[sign];
}

function named(trial, name) {
  if (name in trial.coordinates) return trial.coordinates[name];
  const place = F.metrics.indexOf(name);
  if (place >= 0) return trial.metrics[place];
  return { trial: trial.number, "#": trial.number, state: trial.state, value: trial.value,
    epochs: trial.epochs, seconds: trial.seconds, failure: trial.failure?.reason ?? null }[name];
}

function rowText(trial) {
  trial.text ??= [`#${trial.number}`, trialLabel(trial), trial.state, trial.failure?.reason ?? "",
    ...Object.values(trial.coordinates)].join(" ").toLowerCase();
  return trial.text;
}
