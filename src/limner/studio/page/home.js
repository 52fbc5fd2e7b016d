// Runs as cards, live.
import { ask, count, h, light, linkTo, listen, lostLine, plural, progressBar, runApi, say, setSource, UNITS } from "./kit.js";

const DOORS = [
  ["#lecture", "Follow the lecture", "From the autoencoder to StyleGAN, part by part."],
  ["#new", "Use my images", "Check them, choose a model, and train it here."],
];

function age(seconds) {
  const passed = Math.max(0, Date.now() / 1000 - seconds), [size, name] = UNITS.find(([unit]) => passed >= unit) ?? [];
  return passed < 60 ? "just now" : `${plural(Math.floor(passed / size), name)} ago`;
}

class Card {
  constructor() {
    this.picture = h("img.pixels");
    this.name = h("h2");
    this.what = h("p.what");
    this.bar = progressBar("share of the training that is done");
    this.count = h("p.count");
    this.light = h("p.light");
    this.node = h("a.card", h("div.thumb", this.picture),
      h("div.text", this.name, this.what, this.bar, this.count, this.light));
  }

  show(run) {
    const unreadable = run.status === "unreadable", source = run.picture == null ? "" : `${runApi(run.id)}/samples/${run.picture}`;
    this.node.classList.toggle("unreadable", unreadable);
    if (unreadable) this.node.removeAttribute("href");
    else this.node.href = linkTo("train", run.id);
    this.picture.hidden = !source;
    if (source) setSource(this.picture, source);
    this.picture.alt = source && `pictures at ${count(run.picture)} images`;
    this.name.textContent = run.id;
    this.bar.hidden = this.light.hidden = unreadable;
    if (unreadable) {
      this.what.textContent = "not a run that can be read";
      this.count.textContent = run.problem;
      return;
    }
    this.what.textContent = `${run.model} on ${run.data}, ${run.shape}`;
    this.bar.value = Math.min(1, run.images / Math.max(1, run.target));
    const status = run.status + (run.behind ? ` for ${run.behind}` : "");
    this.count.textContent = [status, `${count(run.images)} of ${count(run.target)} images`, age(run.changed)].join(" · ");
    const line = light(run.light, run.health + (run.problem && ` · ${run.problem}`));
    this.light.replaceWith(line);
    this.light = line;
  }
}

async function render({ model, el }) {
  const api = model.get("api"), lost = lostLine(), where = h("p.where"), cards = h("div.cards");
  const empty = h("div.empty", { hidden: true }, h("p", "No runs here yet. A first one takes half a minute:"),
    h("pre", "limner train vae --data digits --latent-dim 2 --epochs 20"));
  el.append(h("nav.doors", { ariaLabel: "Start" }, DOORS.map(([href, title, text]) => h("a", { href }, h("strong", title), h("span", text)))),
    h("h1", "Runs"), lost, where, empty, cards);
  const known = new Map();
  let runs = [];

  function draw() {
    empty.hidden = runs.length > 0;
    const names = new Set(runs.map((run) => run.id));
    for (const [name, card] of known) {
      if (names.has(name)) continue;
      card.node.remove();
      known.delete(name);
    }
    runs.forEach((run, i) => {
      if (!known.has(run.id)) known.set(run.id, new Card());
      const card = known.get(run.id);
      card.show(run);
      if (cards.children[i] !== card.node) cards.insertBefore(card.node, cards.children[i] ?? null);
    });
  }

  const content = await ask(`${api}/runs`);
  say(where, content.folder);
  runs = content.runs ?? [];
  draw();
  const events = listen(`${api}/live`, lost, { runs: (content) => {
    runs = content;
    draw();
  } });
  const clock = setInterval(draw, 30000);
  return () => {
    events.close();
    clearInterval(clock);
  };
}

export default { render };
