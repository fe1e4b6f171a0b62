// One trial in a dialog: how it stands, its configuration as TOML, its segments, why it failed.

function openTrial(trial) {
  untip();
  const dialog = $("trial");
  const rows = [
    ["State", trial.state + (trial.rung ? ` at rung ${trial.rung}` : "")],
    [LEAD.metric, trial.value === null ? "not observed" : `${num(trial.value, 6)} at epoch ${trial.value_epoch}`],
    ["Trained", `${plural(trial.epochs, "epoch")} in ${hours(trial.seconds / 3600)}`],
    ["Segments", trial.segments.map((one) => `${one.node} from epoch ${one.start_epoch} (${hours(one.seconds / 3600)})`).join("; ") || "none yet"],
    trial.attempts && ["Lost gangs", String(trial.attempts)],
    ["Log", `logs/trial-${String(trial.number).padStart(4, "0")}.log`],
    ["Train again", `seed of study ${F.study.seed}, trial ${trial.number}, replicate 0`],
  ].filter(Boolean);
  const metrics = F.metrics.map((name, place) => [name, trial.metrics[place]]).filter(([, value]) => value !== null);
  dialog.innerHTML = `<form method="dialog"><h2 id="trial-title">${esc(trialLabel(trial))}</h2>
    <button class="close" aria-label="Close">✕</button></form>
    <dl class="facts">${rows.map(([name, text]) => `<dt>${esc(name)}</dt><dd>${esc(text)}</dd>`).join("")}</dl>
    ${trial.failure ? `<h3>Failure: ${esc(trial.failure.reason)}</h3><pre>${esc(trial.failure.message || "no message")}</pre>` : ""}
    ${metrics.length ? `<h3>Metrics at epoch ${trial.value_epoch}</h3><p>${metrics.map(([name, value]) => `${esc(name)} ${fixed(value)}`).join(" · ")}</p>` : ""}
    <h3>Configuration</h3><div class="row"></div><pre tabindex="0">${esc(configToml(trial))}</pre>`;
  const order = [...visible].sort((a, b) => a.number - b.number), place = order.indexOf(trial);
  const step = (label, other) => {
    const button = make(`<button type="button" ${other ? "" : "disabled"}>${label}</button>`);
    button.addEventListener("click", () => openTrial(other));
    return button;
  };
  dialog.querySelector(".row").append(copyButton("Copy as TOML", () => configToml(trial)),
    step("Previous trial", order[place - 1]), step("Next trial", order[place + 1]));
  if (!dialog.open) dialog.showModal();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("button.link[data-trial]");
  if (link) openTrial(TRIALS[link.dataset.trial]);
  if (event.target === $("trial")) $("trial").close();
});
