// One run in training, or after it: pictures, curves and the doctor's word at one point of the run.
import { Chart } from "./chart.js";
import { ask, button, count, facts, Fields, group, h, light, listen, lostLine, notes, post, problemLine, progressBar, row, runApi, setSource, sleep, state, statusLine, words } from "./kit.js";

function verdicts({ light: kind, state: text, reason, verdicts: all }) {
  return [light(kind, text + (reason && kind !== "trouble" ? `: ${reason}` : "")), ...all.map((verdict) => h("article.verdict",
    h("h3", `${verdict.name}${verdict.severe ? " (severe)" : ""}, since ${count(verdict.since)} images`),
    facts([["evidence", verdict.evidence], ["means", verdict.meaning], ...(verdict.advice ? [["try", verdict.advice]] : [])])))];
}

function settingsTable({ options, training, device }) {
  const rows = Object.entries({ ...options, ...training, device });
  return [h("summary", "Settings"), h("table", h("tbody", rows.map(([name, value]) => row(words(name), [value].flat().join(", ")))))];
}

// Another run's curves: those of its log, as it grows. `own` gives this run, `draw` is called when there is more.
function followOther(model, own, draw) {
  const address = state(model), fields = new Fields(address), remark = h("p.note", { role: "status" });
  let names = [], events = null, other = null;
  const node = fields.select("Curves of another run", "with", () => [["", "none"], ...names.map((name) => [name])]);
  function follow() {
    const name = address.get("with");
    if (name && !names.includes(name)) names.push(name);
    fields.fill();
    if (name === (other?.name ?? "")) return;
    events?.close();
    remark.textContent = "";
    other = name ? { name, lines: [] } : null;
    draw();
    if (!name) return;
    events = listen(`${runApi(name)}/live`, lostLine(), {
      run(theirs) {
        other.lines = [...other.lines.slice(0, theirs.first), ...theirs.new];
        const differs = own() && (own().model !== theirs.model || own().data !== theirs.data);
        remark.textContent = theirs.status === "unreadable" ? `${name} cannot be read.`
          : differs ? `${name} is a ${theirs.model} on ${theirs.data}: its numbers need not measure the same thing.` : "";
        draw();
      },
      gone: () => { remark.textContent = `${name} is not there.`; },
    });
  }
  model.on("change:with", follow);
  follow();
  ask("/api/runs").then(({ runs = [] }) => {
    names = runs.filter(({ status, id }) => status !== "unreadable" && id !== model.get("run")).map(({ id }) => id);
    follow();
  });
  return { nodes: [node, remark], other: () => other, leave: () => events?.close() };
}

// The buttons of a training that lives.
function makeControls(own, control) {
  const isPaused = () => own().status === "paused" || own().status === "pausing";
  const buttons = [
    button("Pause", () => control({ pause: own().status === "training" })),
    button("Save now", () => control({ save: 1 })),
    button("Halve the rate", () => control({ rate_factor: Math.max(1e-6, own().rate_factor / 2) })),
    button("Full rate", () => control({ rate_factor: 1 })),
    button("Stop", () => control({ stop: true })),
  ];
  const [pause, , , restore, stop] = buttons, node = group("Training", buttons);
  function show(isLive) {
    const { status, rate_factor: rate } = own();
    node.hidden = !isLive;
    pause.textContent = isPaused() ? "Go on" : "Pause";
    for (const each of buttons) each.disabled = status === "stopping" || (status === "waiting" && each !== stop);
    restore.disabled ||= rate === 1;
  }
  return { node, show };
}

async function render({ model, el }) {
  const api = model.get("api"), { get, change } = state(model);
  let run = null, lines = [], charts = [], shape = "", asked = null;
  const status = statusLine(), lost = lostLine(), ended = h("section.ended", { hidden: true });
  const progress = progressBar("share of the training that is done");
  const image = h("img.pixels.samples"), caption = h("figcaption"), figure = h("figure", image, caption);
  const slider = h("input", { type: "range", min: 0, max: 0, step: 1, id: "scrubber", oninput: () => seek(stops()[+slider.value]) });
  const where = h("output"), newest = button("Newest", () => change({ images: "" }));
  const scrubber = h("div.scrubber", h("label", { htmlFor: "scrubber" }, "Images seen"), slider, where, newest);
  const doctor = h("section.doctor"), curves = h("div.charts"), settings = h("details.settings");
  const controls = makeControls(() => run, (changes) => send("control", changes));
  const resume = button("Resume", () => send("resume"));
  const follower = followOther(model, () => run, () => run && drawPoint());
  el.append(h("h1", model.get("run")), lost, status, progress, controls.node, ended, scrubber, h("div.columns",
    h("div", figure, h("h2", "The doctor"), doctor), h("div", follower.nodes, curves)), settings);

  const stops = () => [...new Set([...lines.map((line) => line.images), ...(run?.pictures ?? [])])].sort((a, b) => a - b);
  const before = (all, at) => all.filter((n) => n <= at).pop();
  const point = () => {
    const all = stops(), wanted = get("images");
    if (wanted === "" || Number.isNaN(+wanted)) return all.at(-1) ?? 0;
    return before(all, +wanted) ?? all[0] ?? 0;
  };
  const seek = (images) => {
    const all = stops();
    const nearest = all.reduce((best, n) => (Math.abs(n - images) < Math.abs(best - images) ? n : best), all[0] ?? 0);
    change({ images: nearest === all.at(-1) ? "" : nearest });
  };

  async function send(path, content) {
    const { error } = await post(`${api}/${path}`, content);
    if (!error) return;
    ended.hidden = false;
    ended.replaceChildren(problemLine(error));
  }

  function drawState() {
    const isUnreadable = run.status === "unreadable";
    controls.show(run.process != null && !isUnreadable);
    status.textContent = run.line;
    progress.hidden = isUnreadable;
    progress.value = run.target ? Math.min(1, run.images / run.target) : 0;
    ended.hidden = !run.ended && !run.failure;
    ended.replaceChildren();
    if (run.ended) ended.append(h("p", run.ended));
    if (run.ended && run.resume) ended.append(h("p", "It goes on exactly as if nothing had happened:"), h("pre", run.resume), resume);
    if (run.failure) ended.append(problemLine(run.failure));
  }

  function drawPoint() {
    const all = stops(), at = point();
    slider.max = Math.max(0, all.length - 1);
    slider.value = all.indexOf(at);
    slider.disabled = all.length < 2;
    slider.ariaValueText = `${count(at)} images`;
    where.textContent = count(at) + (run.target ? ` of ${count(run.target)}` : "");
    newest.disabled = get("images") === "";
    const picture = before(run.pictures ?? [], at);
    figure.hidden = picture === undefined;
    if (!figure.hidden) {
      setSource(image, `${api}/samples/${picture}`);
      image.alt = `pictures that the model made at ${count(picture)} images`;
      caption.textContent = `At ${count(picture)} images${picture === at ? "" : ", the nearest earlier picture"}`;
    }
    for (const chart of charts) chart.draw(lines, at, follower.other());
    drawVerdicts(before(lines.map((line) => line.images), at) ?? -1);
  }
  async function drawVerdicts(at) {
    if (asked === at) return;
    asked = at;
    await sleep(60); // the pointer may move on
    if (asked !== at) return;
    const content = await ask(`${api}/verdicts?images=${Math.max(0, at)}`);
    if (asked !== at) return;
    if (content.error) asked = null;
    else doctor.replaceChildren(...verdicts(content));
  }

  function update(message) {
    run = message;
    lines = [...lines.slice(0, run.first), ...run.new];
    const panels = JSON.stringify(run.panels);
    if (panels !== shape) {
      shape = panels;
      charts = run.panels.map((panel) => new Chart(panel, seek));
      curves.replaceChildren(...charts.map((chart) => chart.node));
      if (!charts.length) curves.append(...notes(["Curves appear with the first line of the log."]));
    }
    drawState();
    drawPoint();
    if (run.settings?.options && !settings.childElementCount) settings.append(...settingsTable(run.settings));
  }
  model.on("change:images", () => run && drawPoint());
  const events = listen(`${api}/live`, lost, { run: update, gone() {
    status.textContent = "This run is no longer there.";
    controls.node.hidden = progress.hidden = scrubber.hidden = true;
  } });
  const redraw = () => run && drawPoint(); // the labels of the axes fit the width
  addEventListener("resize", redraw);
  return () => {
    events.close();
    follower.leave();
    removeEventListener("resize", redraw);
  };
}

export default { render };
