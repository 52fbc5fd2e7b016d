// The lecture: a text for each part, small runs that are trained on first use, links that set the studio, questions.
import { ask, button, h, linkTo, listen, lostLine, post, problemLine, progressBar, say, state } from "./kit.js";

const ACTIVE = ["training", "starting", "waiting", "paused", "pausing", "stopping"];
const NOTHING_TO_WATCH = ["absent", "starting", "foreign", "unreadable"];
const duration = (seconds) => (seconds < 90 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`);
const isReady = (run) => run?.status === "finished";

// A small run: what it is, its progress, and its button.
class RunBox {
  constructor({ id, command }, train) {
    this.text = h("p", { role: "status" });
    this.failure = h("p.problem");
    this.bar = progressBar(`progress of ${id}`);
    this.button = button("", () => train(id));
    this.watch = h("a", { href: linkTo("train", id) });
    this.node = h("div.small", this.text, this.bar, h("p.controls", this.button, this.watch), this.failure,
      h("details", h("summary", "What is trained"), h("code", command)));
  }

  show(run) {
    const isActive = ACTIVE.includes(run.status), isCut = run.status === "killed" || run.status === "stopped";
    if (this.text.textContent !== run.text) this.text.textContent = run.text; // what did not change is not read out again
    say(this.failure, run.failure);
    this.bar.hidden = !isActive && !isCut;
    this.bar.value = run.target ? Math.min(1, run.images / run.target) : 0;
    this.button.hidden = isActive || isReady(run) || Boolean(run.problem);
    this.button.textContent = isCut ? "Go on with this run" : `Train the run for this part (about ${duration(run.seconds)})`;
    this.watch.hidden = NOTHING_TO_WATCH.includes(run.status);
    this.watch.textContent = isActive ? "Watch it" : "Its training";
    return this.node;
  }
}

// A question of the text, .question[data-answer] > p, ul, p: choices to answer before the reason is shown.
function drawQuestion(box, key, { get, change }) {
  const [question, list, reason] = box.children, right = +box.dataset.answer;
  const show = button("Show the answer", () => {
    change({ [key]: radios.findIndex((radio) => radio.checked) });
    draw();
  }, { disabled: true });
  const radios = [...list.children].map((_, value) => h("input", { type: "radio", name: key, value, onchange: () => { show.disabled = false; } }));
  const labels = [...list.children].map((item, i) => h("label.choice", radios[i], h("span", ...item.childNodes)));
  const reveal = h("div", { ariaLive: "polite" });
  function draw() {
    const choice = get(key);
    if (!radios[choice]) return;
    radios[choice].checked = true;
    show.disabled = false;
    const verdict = +choice === right ? "Yes." : `No: ${labels[right].textContent.trim()}`;
    reveal.replaceChildren(h("p.verdict-line", verdict), reason);
  }
  box.replaceChildren(h("fieldset", h("legend", ...question.childNodes), labels, show, reveal));
  draw();
}

async function render({ model, el }) {
  const address = state(model);
  const contents = h("ol.contents"), runs = h("section.runs"), text = h("div.text"), lost = lostLine(), problem = problemLine();
  const waits = h("p.note.waits", "Links in grey open when the run they show is trained.");
  const onward = h("nav.onward", { ariaLabel: "Parts before and after" });
  const article = h("article", { tabIndex: -1 }, lost, problem, text, onward);
  el.append(h("nav", { ariaLabel: "Parts of the lecture" }, contents), article);

  let parts = await ask("/api/lecture"), shown = "", links = [];
  if (parts.error) {
    text.append(problemLine(parts.error));
    return null;
  }
  const name = () => address.pick("part", parts.map((part) => part.name));
  const index = () => parts.findIndex((part) => part.name === name());

  const link = (part, label, isCurrent) => h("a", { href: `#lecture?part=${part.name}`, ariaCurrent: isCurrent ? "page" : null }, label);
  function drawFrame() {
    const at = index(), [before, after] = [parts[at - 1], parts[at + 1]];
    contents.replaceChildren(...parts.map((part, i) => h("li", link(part, part.title, i === at))));
    onward.replaceChildren();
    if (before) onward.append(link(before, `← ${before.title}`));
    if (after) onward.append(link(after, `${after.title} →`));
  }

  async function train(id) {
    say(problem, (await post(`/api/lecture/runs/${id}`)).error);
  }
  const boxes = new Map();
  function drawRuns() {
    const nodes = parts[index()].runs.map((run) => {
      if (!boxes.has(run.id)) boxes.set(run.id, new RunBox(run, train));
      return boxes.get(run.id).show(run);
    });
    if (runs.childElementCount !== nodes.length || nodes.some((node, i) => runs.children[i] !== node)) runs.replaceChildren(...nodes);
    const ready = new Set(parts.flatMap((part) => part.runs).filter(isReady).map((run) => run.id));
    for (const { node, href, run } of links) {
      const isOpen = ready.has(run);
      node.toggleAttribute("data-waits", !isOpen);
      if (isOpen) node.href = href;
      else node.removeAttribute("href");
      node.ariaDisabled = isOpen ? null : "true";
      node.title = isOpen ? "" : `needs ${run}: train it first`;
    }
    waits.hidden = links.every(({ run }) => ready.has(run));
  }

  async function drawText() {
    const part = name();
    if (shown === part) return;
    shown = part;
    const content = await ask(`/api/lecture/texts/${part}`);
    if (shown !== part) return;
    if (content.error) {
      say(problem, content.error);
      return;
    }
    text.replaceChildren(...new DOMParser().parseFromString(await content.text(), "text/html").body.childNodes);
    links = [...text.querySelectorAll("a")].map((node) => {
      const href = node.getAttribute("href");
      return { node, href, run: href.split("?")[0].split("/")[1] };
    }).filter(({ run }) => run);
    text.querySelector("h1").after(problem, runs, waits); // after the links, which are those of the text
    text.querySelectorAll(".question").forEach((box, i) => drawQuestion(box, `q${i + 1}`, address));
    drawFrame();
    drawRuns();
  }

  model.on("change:part", async () => {
    problem.hidden = true;
    await drawText();
    scrollTo(0, 0);
    article.focus({ preventScroll: true });
  });
  await drawText();
  const events = listen("/api/lecture/live", lost, { parts: (content) => {
    parts = content;
    drawRuns();
  } });
  return () => events.close();
}

export default { render };
