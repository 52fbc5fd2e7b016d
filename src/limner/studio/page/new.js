// A new run: its images, checked; its model; its settings, from the library's own schema; what it takes; its start.
import { Field, Fold, setting } from "./form.js";
import { ask, button, checkbox, cleared, count, facts, h, linkTo, LOST, notes, plural, post, problemLine, progressBar, row, say, sleep, state, statusLine, UNITS, words } from "./kit.js";

const PAUSE = 250; // milliseconds without a change before the settings are checked
const POLL = 300; // milliseconds between two questions whether the run is there
const FIRST = ["training.images", "shape.size", "training.seed"]; // and the name of the run
const OF_IMAGES = ["data", "second", "shape.size", "shape.channels"];
const MOST_CLASSES = 20;
const API = "/api/new";
const gigabytes = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`);
const option = (value, text = value) => h("option", { value }, text);

// 4000 -> "1 hour 7 minutes"
function duration(seconds) {
  const whole = Math.max(1, seconds), i = UNITS.findIndex(([size]) => whole >= size), unit = (UNITS[i + 1] ?? UNITS[i])[0];
  let rest = Math.round(whole / unit) * unit;
  return UNITS.slice(i, i + 2).map(([size, name]) => {
    const n = Math.floor(rest / size);
    rest %= size;
    return n > 0 && plural(n, name);
  }).filter(Boolean).join(" ");
}

// ---- what the check says
function contentsOf(part, letter) {
  const [channels, height, width] = part.shape;
  const size = `${width} × ${height} pixels, ${channels === 1 ? "grey" : "in colour"}`;
  const sheet = h("img.sheet.pixels", { src: `${API}/sheets/${part.sheet}.png`, alt: `some training images of ${part.name}` });
  const remarks = part.notes.map((text) => h("li", { className: text.startsWith("skipped") ? "problem" : "" }, text));
  return h("section.contents",
    h("div", h("h3", letter ? `Domain ${letter}${part.name === letter ? "" : `: ${part.name}`}` : part.name),
      facts([["images", `${count(part.train)} for training, ${count(part.test)} for tests`], ["size", size]]),
      remarks.length > 0 && h("ul.notes", remarks), part.classes.length > 0 && classesOf(part)),
    h("figure", sheet, h("figcaption", ["As the model receives them, drawn at random.", ...part.sheet_notes].join(" "))));
}

function classesOf({ class_counts: counts }) {
  const names = Object.keys(counts), numbers = names.map((name) => counts[name][0]);
  const most = Math.max(1, ...numbers), least = Math.min(...numbers);
  const rows = names.slice(0, MOST_CLASSES).map((name, i) => row(name, h("meter", { min: 0, max: most, value: numbers[i], ariaHidden: "true" }), count(numbers[i])));
  const spread = least === most ? "all have the same number of images." : `from ${count(least)} to ${count(most)} images.`;
  const more = names.length > MOST_CLASSES ? ` The first ${MOST_CLASSES} of ${names.length} are shown.` : "";
  const head = (text) => h("th", { scope: "col" }, text);
  return h("div", h("p", `${names.length} classes: ${spread}${more}`),
    h("table.classes", h("thead", h("tr", head("class"), h("td"), head("training images"))), h("tbody", rows)));
}

// What the images contain, read again where they are others. `check` gets the plan.
function makeCheck() {
  const bar = progressBar("share of the images that are read");
  const status = statusLine(), contents = h("div", { ariaLive: "polite" });
  let events = null, checked = "";
  bar.hidden = true;
  function end(text, parts = [], isProblem = false) {
    events?.close();
    bar.hidden = true;
    status.textContent = text;
    status.classList.toggle("problem", isProblem);
    contents.replaceChildren(...parts.map((part, i) => contentsOf(part, parts.length > 1 ? "AB"[i] : "")));
  }
  function clear() {
    checked = "";
    end("");
  }
  function check(plan, key) {
    if (key === checked) return;
    checked = key;
    events?.close();
    status.textContent = "Reading the images…";
    status.classList.remove("problem");
    bar.removeAttribute("value");
    bar.hidden = false;
    events = new EventSource(`${API}/check?${new URLSearchParams({ plan: JSON.stringify(plan) })}`);
    const on = (name, act) => events.addEventListener(name, ({ data }) => act(JSON.parse(data)));
    on("progress", ([what, done, total]) => {
      bar.value = done / Math.max(1, total);
      status.textContent = `${what}: ${count(done)} of ${count(total)}`;
    });
    on("contents", (parts) => end("The images are read.", parts));
    on("problem", (text) => end(text, [], true));
    events.onerror = () => end(LOST, [], true);
  }
  return { nodes: [bar, status, contents], check, clear, leave: () => events?.close() };
}

// ---- what it takes
function forecastOf({ images, seconds, memory, free, device_memory: gpu, weights, device, text, notes: remarks }) {
  const pairs = [
    ["time", `about ${duration(seconds)} for ${count(images)} images, ${count(Math.round(images / seconds))} images a second`],
    ["memory", memory === null ? "not reported by this system" : `about ${gigabytes(memory)}${free === null ? "" : `; ${gigabytes(free)} are free`}`],
    ...(gpu === null ? [] : [["GPU", `${gigabytes(gpu)} of its memory`]]),
    ["model", `${count(weights)} weights, on ${device}`],
  ];
  const [, less = ""] = text.split(";")[0].split(/:(?= --)/); // of a long run: what would take less
  return [facts(pairs), less && h("p", less.trim()), ...notes(remarks)].filter(Boolean);
}

// ---- the page
async function render({ model, el }) {
  const known = await ask(API), { get, change } = state(model);
  el.append(h("h1", "New run"));
  if (known.error) {
    el.append(problemLine(known.error));
    return null;
  }
  let form = null, fields = [], folds = [], mistakes = {}, measuring = null, timer = 0, asked = 0, busy = false;
  const set = (values) => {
    change(values);
    refresh();
  };
  const chosen = () => known.models.find((each) => each.name === get("model", "vae")) ?? known.models.find((each) => each.name === "vae");
  const source = (key) => known.data.find((each) => each.name === get(key));
  const problems = Object.fromEntries(["data", "second", "model", "preset", "name"].map((key) => [key, h("p.problem", { hidden: true })]));
  const select = (key, title, options, help) => {
    const box = h("select", { id: `field-${key}`, onchange: () => set({ [key]: box.value }) }, options);
    return { box, node: setting(box.id, title, box, help && h("p.note", help), problems[key]) };
  };

  // 1 images
  const isSet = ({ name, description }) => !description.startsWith("images") && !name.includes("/") && known.sets.includes(name);
  const sources = () => [option("", "choose…"), ...[["in your folders", (each) => !isSet(each)], ["sets with a name", isSet]].map(([label, belongs]) => {
    const members = known.data.filter(belongs);
    return members.length > 0 && h("optgroup", { label }, members.map(({ name }) => option(name)));
  })];
  const data = select("data", "Images", sources()), second = select("second", "Domain B", sources(), "where the images above are domain A alone");
  const description = h("p.note"), images = makeCheck();
  const where = h("p.note", `Images and arrays in ${known.folders.join(", ") || "no folder"} are listed; limner studio --images FOLDER chooses others.`);

  // 2 model
  const kind = select("model", "Model", known.models.map(({ name }) => option(name))), preset = select("preset", "Preset", []);
  const abilities = h("p.note");
  kind.box.onchange = () => { // another model has other options
    const options = fields.map((field) => field.key).filter((key) => key.startsWith("option."));
    set({ model: kind.box.value, preset: "", ...cleared(options) });
  };

  // 3 settings
  const name = h("input", { type: "text", id: "field-name", autocomplete: "off", spellcheck: false, oninput: () => set({ name: name.value.trim() }) });
  const nameField = setting("field-name", "name of the run", name, h("p.note", "its folder; default: model, data and the next number"), problems.name);
  const settings = h("div.settings-grid"), folded = h("div"), rules = h("p.rules.problem", { role: "status" });

  // 4 what it takes, 5 start
  const measure = button("Measure", showForecast), result = h("div.result", { role: "status" });
  const command = h("pre", { tabIndex: 0, ariaLabel: "the command" }), outcome = statusLine();
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(command.textContent);
    outcome.textContent = "The command is copied.";
  });
  const atOnce = checkbox("", () => set({ at_once: atOnce.checked || "" }), { id: "field-at-once" });
  const start = button("Start", startRun, { className: "main" });

  const section = (title, ...children) => h("section", h("h2", title), children);
  el.append(
    section("1 Images", h("div.settings-grid", data.node, second.node), description, where, images.nodes),
    section("2 Model", h("div.settings-grid", kind.node, preset.node), abilities),
    section("3 Settings", settings, folded, rules),
    section("4 What it takes", notes(["Times a few steps of this run on this machine, in a process of its own. Nothing is kept."]), h("div.controls", measure), result),
    section("5 Start", notes(["The same in a shell:"]), command, h("div.controls", copy,
      h("label.field.inline", atOnce, h("span", "start at once; otherwise it waits until no other run here is in training"))), h("div.controls", start), outcome));

  function plan() {
    const texts = { shape: {}, option: {}, training: {} };
    for (const { key } of fields) {
      const [part, each] = key.split(".");
      if (get(key)) texts[part][each] = get(key);
    }
    return {
      data: get("data"), second: chosen().domains ? get("second") : "", model: chosen().name, preset: get("preset"), name: get("name"),
      at_once: get("at_once") === "true", shape: texts.shape, options: texts.option, training: texts.training,
    };
  }

  // The form of the chosen model and preset, built anew where one of them is another; whether there is one.
  async function buildForm() {
    const query = `${new URLSearchParams({ model: chosen().name, preset: get("preset") })}`;
    if (form === query) return true;
    const content = await ask(`${API}/form?${query}`);
    if (content.error) {
      say(problems.preset, content.error);
      return form !== null;
    }
    form = query;
    fields = [["training", content.training], ["shape", content.shape], ["option", content.options]].flatMap(([part, schemas]) =>
      Object.entries(schemas).map(([each, schema]) => new Field(`${part}.${each}`, schema, (text) => set({ [`${part}.${each}`]: text }))));
    const at = (key) => fields.find((field) => field.key === key);
    const others = fields.filter(({ key }) => !key.startsWith("option.") && !FIRST.includes(key));
    folds = [...content.groups.map((group) => new Fold(group.title, group.fields.map((each) => at(`option.${each}`)))),
      new Fold("Other settings of training", others)];
    settings.replaceChildren(...FIRST.map((key) => at(key).node), nameField);
    folded.replaceChildren(...folds.map((fold) => fold.node));
    return true;
  }
  const showFolds = () => folds.forEach((fold) => fold.show(get, mistakes));

  // Show the state in every control.
  function show() {
    const { name: key, description: summary, can, presets, labels, domains } = chosen();
    kind.box.value = key;
    abilities.textContent = `${summary} It can: ${words(can.join(", "))}.${labels === "required" ? " It needs labels: sub-folders of a folder of images are labels." : ""}`;
    if (preset.of !== key) preset.box.replaceChildren(option("", "none"), ...presets.map((each) => option(each)));
    preset.of = key;
    preset.box.value = presets.includes(get("preset")) ? get("preset") : "";
    preset.node.hidden = !presets.length;
    second.node.hidden = !domains;
    data.box.value = source("data")?.name ?? "";
    second.box.value = source("second")?.name ?? "";
    description.textContent = source("data")?.description ?? "";
    if (document.activeElement !== name) name.value = get("name");
    atOnce.checked = get("at_once") === "true";
    for (const field of fields) field.show(get(field.key));
    showFolds();
  }

  // The state has changed: ask the library about it, after a pause without further changes.
  async function refresh() {
    if (!(await buildForm())) return;
    show();
    measuring?.abort();
    result.replaceChildren();
    clearTimeout(timer);
    timer = setTimeout(checkPlan, PAUSE);
  }
  async function checkPlan() {
    const mine = ++asked, answer = await post(`${API}/plan`, plan());
    if (mine !== asked) return;
    mistakes = answer.mistakes ?? { "": answer.error };
    if (!get("data")) mistakes.data = "";
    for (const field of fields) field.say(mistakes[field.key]);
    for (const [key, node] of Object.entries(problems)) say(node, mistakes[key]);
    const places = [...fields.map((field) => field.key), ...Object.keys(problems)];
    rules.textContent = Object.entries(mistakes).filter(([key]) => !places.includes(key)).map(([, text]) => text).join(" ");
    showFolds();
    command.textContent = isReady() ? answer.command : "choose images, and mend what is marked";
    name.placeholder = get("data") && (answer.name ?? "");
    lock();
    checkImages();
  }
  function checkImages() {
    const { data: first, second: other, model: wanted, shape } = plan();
    if (!first || OF_IMAGES.some((key) => key in mistakes)) images.clear();
    else images.check({ data: first, second: other, model: wanted, shape }, JSON.stringify([first, other, chosen().domains || chosen().labels, shape]));
  }
  const isReady = () => get("data") !== "" && !Object.keys(mistakes).length;
  function lock() {
    start.disabled = measure.disabled = !isReady() || busy;
    copy.disabled = !isReady();
  }

  async function showForecast() {
    measuring?.abort();
    const mine = measuring = new AbortController();
    result.replaceChildren(...notes(["Measuring; this takes some seconds…"]), h("progress"));
    measure.disabled = true;
    const answer = await post(`${API}/forecast`, plan(), { signal: mine.signal });
    if (mine.signal.aborted) return;
    lock();
    result.replaceChildren(...(answer.error ? [problemLine(answer.error)] : forecastOf(answer)));
  }
  async function startRun() {
    busy = true;
    lock();
    outcome.classList.remove("problem");
    outcome.textContent = "Starting…";
    const { run, error } = await post(`${API}/start`, plan());
    const problem = error ?? (await follow(run));
    if (!problem) return;
    busy = false;
    lock();
    outcome.classList.add("problem");
    outcome.textContent = problem;
  }
  // Wait until the run has its folder, and go to its page; the mistake where it comes to none.
  async function follow(run) {
    while (el.isConnected) {
      const answer = await ask(`${API}/started/${encodeURIComponent(run)}`);
      if (answer.error || answer.failure) return answer.error ?? answer.failure;
      if (answer.there) {
        location.hash = linkTo("train", run);
        return "";
      }
      await sleep(POLL);
    }
    return "";
  }

  model.on("change", refresh);
  await refresh();
  return () => {
    images.leave();
    measuring?.abort();
    clearTimeout(timer);
  };
}

export default { render };
