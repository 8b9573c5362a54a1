// The page: what a person would otherwise do with curl. Everything it shows comes from the API it is a client of.

const find = (selector) => document.querySelector(selector);
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};
const MOST_JOBS = 500; // that one page of the API has
const rounded = (value, digits = 4) => (value === null || value === undefined ? "–" : value.toFixed(digits));

const keyField = find("#key");
keyField.value = sessionStorage.getItem("key") ?? "";
keyField.addEventListener("change", () => {
  sessionStorage.setItem("key", keyField.value);
  refresh();
});

function headers(more = {}) {
  return keyField.value ? { ...more, Authorization: `Bearer ${keyField.value}` } : more;
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: headers(options.headers) }).catch(() => {
    throw new Error("The server does not answer.");
  });
  if (!answer.ok) throw await refusal(answer);
  return answer.status === 204 ? null : answer.json();
}

async function refusal(answer) {
  const problem = await answer.json().catch(() => ({}));
  const keyless = answer.status === 401 && !keyField.value && "This server asks for a key: put one into the field Key above.";
  return Object.assign(new Error(keyless || (problem.detail ?? `${answer.status} ${answer.statusText}`)), { status: answer.status });
}

function say(place, text) {
  find(place).textContent = text;
  find(place).hidden = !text;
}

// What a person does. Its error stays until the next thing that is done; what happens by itself has another place.
const guarded = (action) => async (...values) => {
  try {
    say("#notice", "");
    return await action(...values);
  } catch (error) {
    say("#notice", error.message);
  }
};

// A form that is being sent is not sent again; its button tells of it.
function onSubmit(place, busy, action) {
  const button = find(`${place} button`), word = button.textContent;
  find(place).addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.ariaDisabled) return;
    [button.ariaDisabled, button.textContent] = ["true", busy];
    await guarded(action)(event.target.elements);
    [button.ariaDisabled, button.textContent] = [null, word];
  });
}

// Where the same rows come again, by their data-key, only cells that differ are put in: a button that somebody has come
// to with the keyboard, or is pressing, stays.
function showRows(place, rows) {
  const table = find(`${place} tbody`);
  const held = table.contains(document.activeElement) ? document.activeElement : null;
  const key = held?.closest("tr").dataset.key;
  const same = rows.length === table.rows.length && rows.every((row, at) => row.dataset.key === table.rows[at].dataset.key);
  if (!same) table.replaceChildren(...rows);
  else rows.forEach((row, at) => [...row.cells].forEach((cell, column) => {
    const before = table.rows[at].cells[column];
    if (cell.outerHTML !== before.outerHTML) before.replaceWith(cell);
  }));
  if (!held || held.isConnected) return;
  const buttons = [...([...table.rows].find((row) => row.dataset.key === key)?.querySelectorAll("button") ?? [])];
  (buttons.find((button) => button.textContent === held.textContent) ?? buttons[0])?.focus({ preventScroll: true });
}

function action(word, what, onclick) {
  return element("button", { class: "plain", "aria-label": `${word} ${what}`, onclick: guarded(onclick) }, word);
}

// What was asked for may be far down the page: go there, and with it whoever goes on by keyboard.
function show(place) {
  find(place).hidden = false;
  find(`${place}-title`).focus({ preventScroll: true });
  find(place).scrollIntoView(); // the heading alone would come to the lower edge, and what it is of be out of sight
}

// Jobs

let jobsShown = 10;
let watching = new AbortController();

function jobRow(job) {
  const name = `${job.kind === "verify" ? "verify " : ""}${job.model}@${job.version}`;
  const actions = element("td", {}, action("Watch", name, () => watch(job.id)));
  if (job.state === "queued" || job.state === "running") {
    const cancel = () => ask(`/v1/jobs/${job.id}/cancel`, { method: "POST" }).then(refresh);
    actions.append(" ", action("Cancel", name, cancel));
  }
  return element(
    "tr",
    { "data-key": job.id },
    element("td", {}, name),
    element("td", { class: job.state }, job.state),
    element("td", {}, element("progress", { max: 1, value: job.progress.fraction, "aria-label": `Progress of ${name}` })),
    element("td", { class: "number" }, rounded(job.metrics?.accuracy)),
    element("td", { class: "number" }, rounded(job.metrics?.log_loss)),
    actions,
  );
}

async function showJobs() {
  const { items, next_cursor: more } = await ask(`/v1/jobs?limit=${jobsShown}`);
  showRows("#jobs", items.map(jobRow));
  find("#no-jobs").hidden = items.length > 0;
  say("#jobs-denied", "");
  find("#jobs").hidden = items.length === 0;
  find("#more-jobs").hidden = more === null || jobsShown === MOST_JOBS;
  return items.some((job) => job.state === "queued" || job.state === "running");
}

find("#more-jobs").addEventListener("click", guarded(() => {
  jobsShown = Math.min(jobsShown * 5, MOST_JOBS);
  return refresh();
}));

async function watch(id) {
  watching.abort();
  const { signal } = (watching = new AbortController());
  const epochs = [];
  let drawn;
  const redraw = () => {
    drawn = undefined;
    if (!signal.aborted) draw(epochs);
  };
  draw(epochs);
  show("#job");
  try {
    for await (const [event, value] of events(id, signal)) {
      if (event === "epoch") epochs.push(value);
      else describeJob(value);
      if (epochs.length === 1) draw(epochs);
      else drawn ??= setTimeout(redraw, 0); // once for all that came together: a long job's epochs come in thousands
    }
  } catch (error) {
    if (signal.aborted) return; // another is watched now
    throw error;
  }
  await refresh();
}

// A job's events up to its final state, over as many connections as that takes.
async function* events(id, signal) {
  for (let last = "0"; ; await new Promise((resolve) => setTimeout(resolve, 1000))) {
    try {
      for await (const { event, data, id: number } of stream(`/v1/jobs/${id}/events`, last, signal)) {
        last = number ?? last;
        const value = JSON.parse(data);
        yield [event, value];
        if (event === "state" && ["succeeded", "failed", "cancelled"].includes(value.state)) return;
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // that is fetch's, for a connection that is lost or not had
    }
  }
}

// The events of one connection; none if the server cannot answer now.
async function* stream(path, last, signal) {
  const answer = await fetch(path, { headers: headers({ "Last-Event-ID": last }), signal });
  if (answer.status >= 500) return;
  if (!answer.ok) throw await refusal(answer);
  let text = "";
  for await (const part of decoded(answer.body)) {
    const blocks = (text + part).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => [line.split(": ", 1)[0], line.slice(line.indexOf(": ") + 2)]));
      if (fields.event) yield fields;
    }
  }
}

async function* decoded(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    reader.cancel().catch(() => {}); // or its connection would stay, of the six that a browser has for a server
  }
}

function describeJob(job) {
  find("#job-title").textContent = `Job ${job.id}`;
  const promoted = job.promoted ? ", now in production" : job.promoted === false ? ", not promoted" : "";
  const verdict = job.metrics?.identical ? ", identical" : `, other ${job.metrics?.differs?.join(", ")}`;
  const end = job.kind === "verify" && job.metrics ? verdict : promoted;
  const metrics = job.metrics?.accuracy === undefined ? "" : `, accuracy ${rounded(job.metrics.accuracy)}, log loss ${rounded(job.metrics.log_loss)}`;
  const result = job.error ? job.error.message : [`${job.state}${metrics}${end}`, ...job.warnings].join("; ");
  find("#job-text").textContent = `${job.model}@${job.version}: ${result}`;
}

function draw(epochs) {
  say("#curve-text", "");
  if (!epochs.length) return find("#curve").replaceChildren();
  const { width, height } = find("#curve").getBoundingClientRect();
  const [left, bottom, head] = [46, 12, 32]; // the names of the candidates stand above their curves
  const lines = { train: epochs.map((epoch) => epoch.train_loss), validation: epochs.map((epoch) => epoch.validation_loss) };
  const values = [...lines.train, ...lines.validation].filter((value) => value !== null);
  const top = Math.max(...values, 1e-9), floor = Math.min(...values, top);
  const x = (index) => left + (index / Math.max(epochs.length - 1, 1)) * (width - left - 12);
  const y = (value) => head + ((top - value) / (top - floor || 1)) * (height - bottom - head);
  const parts = [`<line x1="${left}" y1="${height - bottom}" x2="${width - 12}" y2="${height - bottom}"/>`];
  for (const [value, place] of [[top, head + 4], [floor, height - bottom]]) parts.push(`<text x="4" y="${place}">${value.toPrecision(3)}</text>`);
  const begins = epochs.map((epoch, index) => index === 0 || epoch.candidate !== epochs[index - 1].candidate);
  begins.forEach((begun, index) => {
    if (!begun) return;
    if (index) parts.push(`<line class="next" x1="${x(index)}" y1="12" x2="${x(index)}" y2="${height - bottom}"/>`);
    const late = x(index) > 0.8 * width; // then there is room on the left
    parts.push(`<text x="${x(index) + (late ? -8 : 8)}" y="20" text-anchor="${late ? "end" : "start"}">${epochs[index].candidate.replace("_", " ")}</text>`);
  });
  for (const [name, loss] of Object.entries(lines)) {
    const points = loss.map((value, index) => (value === null ? "" : `${begins[index] ? "M" : "L"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`));
    parts.push(`<path class="${name}" d="${points.join("")}"/>`);
  }
  const last = epochs.at(-1);
  find("#curve").setAttribute("viewBox", `0 0 ${width} ${height}`);
  find("#curve").innerHTML = parts.join("");
  say("#curve-text", `Epochs: ${epochs.length}. Training loss ${rounded(last.train_loss)} (orange, dashed), validation loss ${rounded(last.validation_loss)} (blue)`);
}

// Models

function modelRow(model) {
  return element(
    "tr",
    { "data-key": model.name },
    element("td", {}, model.name),
    element("td", {}, model.aliases.production ? `@${model.aliases.production}` : "–"),
    element("td", { class: "number" }, String(model.versions.length)),
    element("td", {}, action("Open", model.name, () => open(model.name))),
  );
}

async function showModels() {
  const items = [];
  for (let cursor = ""; cursor !== null; ) {
    const page = await ask(`/v1/models?limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  showRows("#models", items.map(modelRow));
  find("#no-models").hidden = items.length > 0;
  find("#models").hidden = items.length === 0;
}

async function open(name) {
  const [card, model] = await Promise.all([ask(`/v1/models/${name}/card`), ask(`/v1/models/${name}`)]);
  find("#model").dataset.name = name;
  find("#model-title").textContent = `${name}@${card.version ?? ""}`;
  const facts = {
    Algorithm: card.algorithm?.replace("_", " ") ?? "–",
    Accuracy: rounded(card.metrics?.accuracy),
    "Log loss": rounded(card.metrics?.log_loss),
    "Macro F1": rounded(card.metrics?.macro_f1),
    "Calibration error": rounded(card.metrics?.ece),
    Classes: String(card.classes.length),
  };
  if (model.feedback) facts[`Accuracy on feedback (rows: ${model.feedback.rows})`] = rounded(model.feedback.accuracy);
  if (model.drift?.columns.length) facts[`Drift (farthest: ${model.drift.columns[0].column})`] = rounded(model.drift.columns[0].index, 2);
  const shown = Object.entries(facts).map(([term, value]) => element("div", {}, element("span", {}, term), element("strong", { class: "number" }, value)));
  const warnings = model.warnings.map((text) => element("p", { class: "warning" }, text));
  find("#card").replaceChildren(element("div", { class: "facts" }, ...shown), ...warnings);
  find("#predict textarea").value = JSON.stringify([example(card)]);
  find("#answer").replaceChildren();
  show("#model");
}

function example(card) {
  const columns = card.encoding.columns;
  if (columns.length === 1 && Array.isArray(columns[0].mean)) return usual(columns[0]);
  return Object.fromEntries(columns.map((column) => [column.name, usual(column)]));
}

function usual({ categories, boolean, mean }) {
  if (categories) return boolean ? categories[0] === "true" : (categories[0] ?? null);
  return Array.isArray(mean) ? mean.map((value) => Number(value.toPrecision(4))) : Number(mean.toPrecision(4));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`The rows are not JSON: ${error.message}. Write each as a list, [[5.1, 3.5]], or by the columns' names, [{"width": 5.1}].`);
  }
}

onSubmit("#predict", "Predicting…", async ({ instances }) => {
  const answer = await ask(`/v1/models/${find("#model").dataset.name}/predict`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ instances: parsed(instances.value), top_k: 5 }),
  });
  const rows = answer.top.map((classes, at) =>
    element("table", {}, ...(answer.top.length > 1 ? [element("caption", {}, `Row ${at}`)] : []), element("tbody", {}, ...classes.map(({ label, probability }) =>
      element("tr", {}, element("td", {}, element("bdi", {}, String(label))),
        element("td", { class: "number" }, rounded(probability)),
        element("td", { class: "share" }, bar(probability)))))),
  );
  find("#answer").replaceChildren(...rows);
  find("#answer").scrollIntoView({ block: "nearest" });
});

function bar(probability) {
  const made = element("span", { class: "bar" });
  made.style.width = `${(probability * 100).toFixed(2)}%`;
  return made;
}

// Training

onSubmit("#train", "Sending…", async ({ file, model, label }) => {
  const body = new FormData();
  body.append("file", file.files[0]);
  const query = label.value ? `?label=${encodeURIComponent(label.value)}` : "";
  const job = await ask(`/v1/models/${encodeURIComponent(model.value)}/train${query}`, { method: "POST", body });
  await refresh();
  guarded(watch)(job.id);
});

// A model is called as its file is, unless a person has said another name.
let suggested = "";
find("#train input[name=file]").addEventListener("change", (event) => {
  const file = event.target.files[0]?.name ?? "", { model } = find("#train").elements;
  const name = file.split(".")[0].toLowerCase().replace(/[^a-z0-9_-]/g, "-").replace(/^[_-]+/, "").slice(0, 64);
  if (!model.value || model.value === suggested) model.value = suggested = name;
});

// A key may be for predictions alone.
function withoutJobs(error) {
  if (error.status !== 403) throw error;
  find("#jobs").hidden = find("#no-jobs").hidden = true;
  say("#jobs-denied", error.message);
}

// What there is, again and again.

async function refresh() {
  let pause = 5000;
  try {
    await showModels();
    if (await showJobs().catch(withoutJobs)) pause = 1000;
    say("#stale", "");
  } catch (error) {
    say("#stale", error.status === 401 ? error.message : `What is shown may be out of date. ${error.message}`);
  } finally {
    find("main").ariaBusy = null; // now nothing moves what is below any more
    clearTimeout(refresh.timer);
    refresh.timer = setTimeout(refresh, pause);
  }
}
refresh();
