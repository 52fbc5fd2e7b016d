// A new run: its images, checked; its model; its settings, from the library's own schema; what it takes; its start.
const PAUSE = 250; // milliseconds without a change before the settings are checked
const POLL = 300; // milliseconds between two questions whether the run is there
const FIRST = ["training.images", "shape.size", "training.seed"]; // and the name of the run
const MOST_CLASSES = 20;

const h = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const count = (n) => n.toLocaleString("en");
const words = (name) => name.replaceAll("_", " ");
const gigabytes = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`);

// 4000 -> "1 hour 6 minutes"
function duration(seconds) {
  const units = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const i = Math.max(0, units.findIndex(([size]) => seconds >= size));
  const at = seconds < 1 ? 3 : i;
  let rest = Math.max(1, Math.round(seconds / (units[at + 1]?.[0] ?? 1))) * (units[at + 1]?.[0] ?? 1);
  const parts = [];
  for (const [size, name] of units.slice(at, at + 2)) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n) parts.push(`${n} ${name}${n > 1 ? "s" : ""}`);
  }
  return parts.join(" ");
}

// ---- a field of the form, from its JSON schema ----------------------------------------------------------
function bounds(schema) {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum, multipleOf } = schema;
  const short = (n) => (Number.isInteger(n) ? count(n) : `${+n.toPrecision(4)}`);
  const parts = [];
  if (multipleOf) parts.push(`a multiple of ${multipleOf}`);
  if (minimum !== undefined) parts.push(`at least ${short(minimum)}`);
  if (exclusiveMinimum !== undefined) parts.push(`above ${short(exclusiveMinimum)}`);
  if (maximum !== undefined) parts.push(`at most ${short(maximum)}`);
  if (exclusiveMaximum !== undefined) parts.push(`below ${short(exclusiveMaximum)}`);
  return parts.join(", ");
}

class Field {
  // key: "option.latent_dim"; change: called with the text of the value, "" for the default
  constructor(key, schema, change) {
    this.key = key;
    this.default = schema.default ?? "";
    const kind = schema.anyOf?.find((each) => each.type !== "null") ?? schema;
    const id = `field-${key.replace(".", "-")}`;
    const send = (text) => change(text === this.default ? "" : text);
    this.problem = h("p", { className: "problem", id: `${id}-problem`, hidden: true });
    const title = words(key.slice(key.indexOf(".") + 1));
    const limits = bounds(kind.items && !kind.items.enum ? kind.items : kind);
    const help = [schema.description ?? "", limits].filter(Boolean).join("; ");
    const note = h("p", { className: "note", id: `${id}-help` }, help);
    if (kind.type === "array" && kind.items.enum) this.choices(title, kind.items.enum, send);
    else if (kind.enum) this.select(id, kind, schema.anyOf !== undefined, send);
    else if (kind.type === "boolean") this.box(id, send);
    else this.text(id, kind, send);
    const described = `${id}-help ${id}-problem`;
    (this.input ?? this.control).setAttribute("aria-describedby", described);
    const label = this.input ? h("label", { htmlFor: id }, title) : h("span", {}, title);
    const inline = kind.type === "boolean";
    this.node = h("div", { className: `setting${inline ? " inline" : ""}` },
      ...(inline ? [h("div", {}, this.control, label)] : [label, this.control]), note, this.problem);
  }

  text(id, kind, send) {
    const whole = kind.type === "integer" || kind.items?.type === "integer";
    this.control = this.input = h("input", { type: "text", id, autocomplete: "off", spellcheck: false, placeholder: "default" });
    if (kind.type !== "string") this.input.inputMode = kind.type === "array" ? "text" : whole ? "numeric" : "decimal";
    this.input.addEventListener("input", () => send(this.input.value.trim()));
    this.show = (text) => {
      if (document.activeElement !== this.input) this.input.value = text || this.default;
    };
    this.input.addEventListener("blur", () => { if (!this.input.value.trim()) this.input.value = this.default; });
  }

  select(id, kind, optional, send) {
    const values = [...(optional ? [""] : []), ...kind.enum.map(String)];
    this.control = this.input = h("select", { id }, ...values.map((value) => h("option", { value }, value || "default")));
    this.input.addEventListener("change", () => send(this.input.value));
    this.show = (text) => { this.input.value = text || this.default; };
  }

  box(id, send) {
    this.control = this.input = h("input", { type: "checkbox", id });
    this.input.addEventListener("change", () => send(`${this.input.checked}`));
    this.show = (text) => { this.input.checked = (text || this.default) === "true"; };
  }

  choices(title, values, send) {
    const boxes = values.map((value) => h("input", { type: "checkbox", value }));
    this.control = h("div", { className: "choices", role: "group", ariaLabel: title },
      ...boxes.map((box) => h("label", {}, box, ` ${box.value}`)));
    const listen = () => send(boxes.filter((box) => box.checked).map((box) => box.value).join(", ") || "none");
    boxes.forEach((box) => box.addEventListener("change", listen));
    this.show = (text) => {
      const on = (text || this.default).split(/[,\s]+/);
      boxes.forEach((box) => { box.checked = on.includes(box.value); });
    };
  }

  say(text) {
    this.problem.hidden = !text;
    this.problem.textContent = text ?? "";
    this.input?.setAttribute("aria-invalid", `${Boolean(text)}`);
  }
}

// ---- what the check says ---------------------------------------------------------------------------------
function drawContents(part, letter) {
  const [channels, height, width] = part.shape;
  const facts = [
    ["images", `${count(part.train)} for training, ${count(part.test)} for tests`],
    ["size", `${width} × ${height} pixels, ${channels === 1 ? "grey" : "in colour"}`],
  ];
  const list = h("dl", {}, ...facts.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]));
  const notes = part.notes.map((text) => h("li", { className: text.startsWith("skipped") ? "problem" : "" }, text));
  const sheet = h("img", { className: "sheet pixels", src: `/api/new/sheets/${part.sheet}.png`, alt: `some training images of ${part.name}` });
  const figure = h("figure", {}, sheet, h("figcaption", {}, ["As the model receives them, drawn at random.", ...part.sheet_notes].join(" ")));
  const parts = [h("h3", {}, letter ? `Domain ${letter}${part.name === letter ? "" : `: ${part.name}`}` : part.name), list];
  if (notes.length) parts.push(h("ul", { className: "notes" }, ...notes));
  if (part.classes.length) parts.push(drawClasses(part));
  return h("section", { className: "contents" }, h("div", {}, ...parts), figure);
}

function drawClasses(part) {
  const counts = Object.entries(part.class_counts).map(([name, [train]]) => [name, train]);
  const most = Math.max(1, ...counts.map(([, n]) => n)), least = Math.min(...counts.map(([, n]) => n));
  const rows = counts.slice(0, MOST_CLASSES).map(([name, n]) => {
    const bar = h("meter", { min: 0, max: most, value: n });
    bar.setAttribute("aria-hidden", "true");
    return h("tr", {}, h("th", { scope: "row" }, name), h("td", { className: "bar-cell" }, bar), h("td", {}, count(n)));
  });
  const more = counts.length > MOST_CLASSES ? ` The first ${MOST_CLASSES} of ${counts.length} are shown.` : "";
  const words = least === most ? "all have the same number of images." : `from ${count(least)} to ${count(most)} images.`;
  return h("div", {}, h("p", {}, `${counts.length} classes: ${words}${more}`),
    h("table", { className: "classes" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "class"), h("td", {}), h("th", { scope: "col" }, "training images"))), h("tbody", {}, ...rows)));
}

// ---- the page --------------------------------------------------------------------------------------------
export default {
  async render({ model, el }) {
    const api = `${model.get("api")}/new`;
    el.append(h("h1", {}, "New run"));
    const known = await (await fetch(api)).json();
    let form = null, fields = [], checked = "", events = null, mistakes = {}, measuring = null, timer = 0, asked = 0, busy = false;
    const chosen = () => known.models.find((each) => each.name === model.get("model")) ?? known.models.find((each) => each.name === "vae");
    const set = (key, text) => {
      model.set(key, text);
      model.save_changes();
      refresh();
    };
    const section = (title, ...children) => h("section", {}, h("h2", {}, title), ...children);
    const select = (key, title, options, problem, help = "") => {
      const node = h("select", { id: `field-${key}` }, ...options);
      node.addEventListener("change", () => set(key, node.value));
      return [node, h("div", { className: "setting" }, h("label", { htmlFor: node.id }, title), node,
        ...(help ? [h("p", { className: "note" }, help)] : []), problem)];
    };
    const problem = () => h("p", { className: "problem", hidden: true });
    const say = (node, text) => {
      node.hidden = !text;
      node.textContent = text ?? "";
    };

    // 1 images
    const group = (label, items) => (items.length ? [h("optgroup", { label }, ...items.map((each) => h("option", { value: each.name }, each.name)))] : []);
    const isSet = (each) => !each.description.startsWith("images") && !each.name.includes("/") && known.sets.includes(each.name);
    const sources = () => [h("option", { value: "" }, "choose…"),
      ...group("in your folders", known.data.filter((each) => !isSet(each))), ...group("sets with a name", known.data.filter(isSet))];
    const problems = { data: problem(), second: problem(), model: problem(), preset: problem(), name: problem() };
    const [data, dataField] = select("data", "Images", sources(), problems.data);
    const [second, secondField] = select("second", "Domain B", sources(), problems.second, "where the images above are domain A alone");
    const description = h("p", { className: "note" });
    const where = h("p", { className: "note" }, `Images and arrays in ${known.folders.join(", ") || "no folder"} are listed; limner studio --images FOLDER chooses others.`);
    const bar = h("progress", { max: 1, hidden: true });
    bar.setAttribute("aria-label", "share of the images that are read");
    const state = h("p", { className: "status", role: "status" });
    const contents = h("div", { ariaLive: "polite" });

    // 2 model
    const [kind, kindField] = select("model", "Model", known.models.map((each) => h("option", { value: each.name }, each.name)), problems.model);
    const [preset, presetField] = select("preset", "Preset", [], problems.preset);
    const can = h("p", { className: "note" });

    // 3 settings
    const name = h("input", { type: "text", id: "field-name", autocomplete: "off", spellcheck: false });
    name.addEventListener("input", () => set("name", name.value.trim()));
    const nameField = h("div", { className: "setting" }, h("label", { htmlFor: "field-name" }, "name of the run"), name,
      h("p", { className: "note" }, "its folder; default: model, data and the next number"), problems.name);
    const settings = h("div", { className: "settings-grid" });
    const folded = h("div", {});
    const rules = h("p", { className: "rules problem", role: "status" });

    // 4 what it takes
    const measure = h("button", { type: "button" }, "Measure");
    const result = h("div", { className: "result", role: "status" });

    // 5 start
    const command = h("pre", { tabIndex: 0 });
    command.setAttribute("aria-label", "the command");
    const copy = h("button", { type: "button" }, "Copy");
    const atOnce = h("input", { type: "checkbox", id: "field-at-once" });
    const start = h("button", { type: "button", className: "main" }, "Start");
    const outcome = h("p", { className: "status", role: "status" });

    el.append(
      section("1 Images", h("div", { className: "settings-grid" }, dataField, secondField), description, where, bar, state, contents),
      section("2 Model", h("div", { className: "settings-grid" }, kindField, presetField), can),
      section("3 Settings", settings, folded, rules),
      section("4 What it takes", h("p", { className: "note" }, "Times a few steps of this run on this machine, in a process of its own. Nothing is kept."), h("div", { className: "controls" }, measure), result),
      section("5 Start", h("p", { className: "note" }, "The same in a shell:"), command, h("div", { className: "controls" }, copy,
        h("label", { className: "field inline" }, atOnce, h("span", {}, "start at once; otherwise it waits until no other run here is in training"))), h("div", { className: "controls" }, start), outcome));

    function plan() {
      const texts = { shape: {}, option: {}, training: {} };
      for (const { key } of fields) {
        const [part, setting] = key.split(".");
        if (model.get(key) !== "") texts[part][setting] = model.get(key);
      }
      return {
        data: model.get("data"), second: chosen().domains ? model.get("second") : "", model: chosen().name, preset: model.get("preset"),
        name: model.get("name"), at_once: model.get("at_once") === "true", shape: texts.shape, options: texts.option, training: texts.training,
      };
    }

    async function post(path, signal) {
      try {
        const answer = await fetch(`${api}/${path}`, { method: "POST", body: JSON.stringify(plan()), signal });
        const content = await answer.json();
        return answer.ok ? content : { error: content.error };
      } catch (error) {
        return { error: error.name === "AbortError" ? "" : "the studio does not answer: is it still running?" };
      }
    }

    // The form of the chosen model and preset, built anew where one of them is another.
    async function buildForm() {
      const key = `${chosen().name}/${model.get("preset")}`;
      if (form?.key === key) return true;
      const query = new URLSearchParams({ model: chosen().name, preset: model.get("preset") });
      const answer = await fetch(`${api}/form?${query}`);
      const content = await answer.json();
      if (!answer.ok) {
        say(problems.preset, content.error);
        return form !== null;
      }
      form = { key };
      const make = (part, schemas) => Object.entries(schemas).map(([setting, schema]) =>
        new Field(`${part}.${setting}`, schema, (text) => set(`${part}.${setting}`, text)));
      fields = [...make("training", content.training), ...make("shape", content.shape), ...make("option", content.options)];
      const at = (wanted) => fields.find((field) => field.key === wanted);
      settings.replaceChildren(...FIRST.map((each) => at(each).node), nameField);
      const fold = (title, members) => {
        const summary = h("summary");
        const box = h("details", {}, summary, h("div", { className: "settings-grid" }, ...members.map((field) => field.node)));
        box.mark = () => {
          const changed = members.filter((field) => model.get(field.key) !== "").length;
          summary.textContent = `${title} (${members.length}${changed ? `, ${changed} changed` : ""})`;
          if (members.some((field) => mistakes[field.key])) box.open = true;
        };
        return box;
      };
      const others = fields.filter((field) => !field.key.startsWith("option.") && !FIRST.includes(field.key));
      folded.replaceChildren(...content.groups.map(({ title, fields: names }) => fold(title, names.map((each) => at(`option.${each}`)))),
        fold("Other settings of training", others));
      return true;
    }

    // Show the state in every control.
    function show() {
      const { description: summary, can: abilities, presets, labels, domains } = chosen();
      kind.value = chosen().name;
      can.textContent = `${summary} It can: ${abilities.join(", ").replaceAll("_", " ")}.${labels === "required" ? " It needs labels: sub-folders of a folder of images are labels." : ""}`;
      const options = ["", ...presets].map((value) => h("option", { value }, value || "none"));
      if (preset.dataset.of !== chosen().name) preset.replaceChildren(...options);
      preset.dataset.of = chosen().name;
      preset.value = presets.includes(model.get("preset")) ? model.get("preset") : "";
      presetField.hidden = !presets.length;
      secondField.hidden = !domains;
      data.value = known.data.some((each) => each.name === model.get("data")) ? model.get("data") : "";
      second.value = known.data.some((each) => each.name === model.get("second")) ? model.get("second") : "";
      description.textContent = known.data.find((each) => each.name === model.get("data"))?.description ?? "";
      if (document.activeElement !== name) name.value = model.get("name");
      atOnce.checked = model.get("at_once") === "true";
      for (const field of fields) field.show(model.get(field.key));
      for (const box of folded.children) box.mark();
    }

    // The state has changed: ask the library about it, after a pause without further changes.
    async function refresh() {
      if (!(await buildForm())) return;
      show();
      measuring?.abort();
      result.replaceChildren();
      clearTimeout(timer);
      timer = setTimeout(ask, PAUSE);
    }

    async function ask() {
      const mine = ++asked;
      const answer = await post("plan");
      if (mine !== asked) return;
      mistakes = answer.mistakes ?? { "": answer.error };
      if (!model.get("data")) mistakes.data = "";
      for (const field of fields) field.say(mistakes[field.key]);
      for (const [key, node] of Object.entries(problems)) say(node, mistakes[key]);
      const places = [...fields.map((field) => field.key), ...Object.keys(problems)];
      rules.textContent = Object.entries(mistakes).filter(([key]) => !places.includes(key)).map(([, text]) => text).join(" ");
      for (const box of folded.children) box.mark();
      command.textContent = ready() ? answer.command : "choose images, and mend what is marked";
      name.placeholder = model.get("data") ? (answer.name ?? "") : "";
      lock();
      check();
    }
    const ready = () => model.get("data") !== "" && !Object.keys(mistakes).length;
    function lock() {
      start.disabled = measure.disabled = !ready() || busy;
      copy.disabled = !ready();
    }

    function check() {
      const { data: first, second: other, model: wanted, shape } = plan();
      const key = JSON.stringify([first, other, chosen().domains || chosen().labels, shape]);
      const wrong = ["data", "second", "shape.size", "shape.channels"].some((each) => each in mistakes);
      if (wrong || !first) {
        events?.close();
        checked = "";
        bar.hidden = true;
        state.textContent = "";
        contents.replaceChildren();
        return;
      }
      if (key === checked) return;
      checked = key;
      events?.close();
      state.textContent = "Reading the images…";
      state.classList.remove("problem");
      bar.removeAttribute("value");
      bar.hidden = false;
      const query = new URLSearchParams({ plan: JSON.stringify({ data: first, second: other, model: wanted, shape }) });
      const stream = events = new EventSource(`${api}/check?${query}`);
      const end = (text, isProblem) => {
        stream.close();
        bar.hidden = true;
        state.textContent = text;
        state.classList.toggle("problem", isProblem);
      };
      stream.addEventListener("progress", ({ data: text }) => {
        const [what, done, total] = JSON.parse(text);
        bar.value = done / Math.max(1, total);
        state.textContent = `${what}: ${count(done)} of ${count(total)}`;
      });
      stream.addEventListener("contents", ({ data: text }) => {
        const parts = JSON.parse(text);
        end("The images are read.", false);
        contents.replaceChildren(...parts.map((part, i) => drawContents(part, parts.length > 1 ? "AB"[i] : "")));
      });
      stream.addEventListener("problem", ({ data: text }) => {
        end(JSON.parse(text), true);
        contents.replaceChildren();
      });
      stream.onerror = () => end("The studio does not answer: is it still running?", true);
    }

    measure.addEventListener("click", async () => {
      measuring?.abort();
      const mine = measuring = new AbortController();
      result.replaceChildren(h("p", { className: "note" }, "Measuring; this takes some seconds…"), h("progress", {}));
      measure.disabled = true;
      const answer = await post("forecast", mine.signal);
      if (mine !== measuring || mine.signal.aborted) return;
      lock();
      if (answer.error !== undefined) {
        result.replaceChildren(h("p", { className: "problem", role: "alert" }, answer.error));
        return;
      }
      const facts = [
        ["time", `about ${duration(answer.seconds)} for ${count(answer.images)} images, ${count(Math.round(answer.images / answer.seconds))} images a second`],
        ["memory", answer.memory === null ? "not reported by this system" : `about ${gigabytes(answer.memory)}${answer.free === null ? "" : `; ${gigabytes(answer.free)} are free`}`],
        ["model", `${count(answer.weights)} weights, on ${answer.device}`],
      ];
      if (answer.device_memory !== null) facts.splice(2, 0, ["GPU", `${gigabytes(answer.device_memory)} of its memory`]);
      const less = answer.text.includes(": --") ? [h("p", {}, answer.text.slice(answer.text.indexOf(": --") + 2).split(";")[0])] : [];
      result.replaceChildren(h("dl", {}, ...facts.flatMap(([fact, text]) => [h("dt", {}, fact), h("dd", {}, text)])),
        ...less, ...answer.notes.map((text) => h("p", { className: "note" }, text)));
    });

    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command.textContent);
      outcome.textContent = "The command is copied.";
    });
    atOnce.addEventListener("change", () => set("at_once", atOnce.checked ? "true" : ""));

    start.addEventListener("click", async () => {
      busy = true;
      lock();
      outcome.classList.remove("problem");
      outcome.textContent = "Starting…";
      const answer = await post("start");
      const problemText = answer.error ?? (await follow(answer.run));
      if (problemText === null) return;
      busy = false;
      lock();
      outcome.classList.add("problem");
      outcome.textContent = problemText;
    });

    // Wait until the run has its folder, and go to its page; the mistake where it comes to none.
    async function follow(run) {
      while (el.isConnected) {
        const answer = await (await fetch(`${api}/started/${encodeURIComponent(run)}`)).json();
        if (answer.error || answer.failure) return answer.error ?? answer.failure;
        if (answer.there) {
          location.hash = `#train/${encodeURIComponent(run)}`;
          return null;
        }
        await new Promise((resolve) => setTimeout(resolve, POLL));
      }
      return null;
    }

    // Another model has other options.
    kind.addEventListener("change", () => {
      for (const { key } of fields) if (key.startsWith("option.")) model.set(key, "");
      model.set("preset", "");
      model.save_changes();
      refresh();
    });
    model.on("change", refresh);
    await refresh();
    return () => {
      events?.close();
      measuring?.abort();
      clearTimeout(timer);
    };
  },
};
