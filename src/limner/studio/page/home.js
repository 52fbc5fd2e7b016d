// Runs as cards, live.
const LIGHTS = {
  healthy: ["●", "healthy"],
  trouble: ["▲", "trouble"],
  early: ["○", "too early to tell"],
  unknown: ["–", "no diagnosis"],
};

const h = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

function age(seconds) {
  const passed = Math.max(0, Date.now() / 1000 - seconds);
  const units = [[86400, "day"], [3600, "hour"], [60, "minute"]];
  for (const [size, name] of units) {
    const n = Math.floor(passed / size);
    if (n) return `${n} ${name}${n > 1 ? "s" : ""} ago`;
  }
  return "just now";
}

function newCard() {
  const parts = {
    picture: h("img", { alt: "", className: "pixels" }),
    name: h("h2"),
    what: h("p", { className: "what" }),
    bar: h("progress", { max: 1 }),
    count: h("p", { className: "count" }),
    light: h("p", { className: "light" }),
  };
  parts.bar.setAttribute("aria-label", "share of the training that is done");
  const figure = h("div", { className: "thumb" }, parts.picture);
  const text = h("div", { className: "text" }, parts.name, parts.what, parts.bar, parts.count, parts.light);
  return { node: h("a", { className: "card" }, figure, text), parts };
}

function fill({ node, parts }, run) {
  const unreadable = run.status === "unreadable";
  node.classList.toggle("unreadable", unreadable);
  if (unreadable) node.removeAttribute("href");
  else node.href = `#train/${encodeURIComponent(run.id)}`;
  const source = run.picture === null ? "" : `/api/runs/${encodeURIComponent(run.id)}/samples/${run.picture}`;
  parts.picture.hidden = !source;
  if (source && parts.picture.getAttribute("src") !== source) parts.picture.src = source;
  parts.picture.alt = source ? `pictures at ${run.picture.toLocaleString("en")} images` : "";
  parts.name.textContent = run.id;
  parts.what.textContent = unreadable ? "not a run that can be read" : `${run.model} on ${run.data}, ${run.shape}`;
  parts.bar.hidden = unreadable;
  parts.bar.value = unreadable ? 0 : Math.min(1, run.images / Math.max(1, run.target));
  parts.count.textContent = unreadable
    ? run.problem
    : `${run.status}${run.behind ? ` for ${run.behind}` : ""} · ${run.images.toLocaleString("en")} of ${run.target.toLocaleString("en")} images · ${age(run.changed)}`;
  const [mark, words] = LIGHTS[run.light];
  parts.light.hidden = unreadable;
  parts.light.dataset.light = run.light;
  parts.light.replaceChildren(
    h("span", { ariaHidden: "true" }, mark),
    ` ${run.light === "trouble" ? run.troubles.join(", ") : words}`,
  );
  if (run.problem && !unreadable) parts.light.append(` · ${run.problem}`);
}

export default {
  async render({ model, el }) {
    const title = h("h1", {}, "Runs");
    const doors = h("nav", { className: "doors", ariaLabel: "Start" },
      h("a", { href: "#lecture" }, h("strong", {}, "Follow the lecture"), h("span", {}, "From the autoencoder to StyleGAN, part by part.")),
      h("a", { href: "#new" }, h("strong", {}, "Use my images"), h("span", {}, "Check them, choose a model, and train it here.")));
    const where = h("p", { className: "where" });
    const cards = h("div", { className: "cards" });
    const empty = h(
      "div",
      { className: "empty", hidden: true },
      h("p", {}, "No runs here yet. A first one takes half a minute:"),
      h("pre", {}, "limner train vae --data digits --latent-dim 2 --epochs 20"),
    );
    el.append(doors, title, where, empty, cards);
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
        if (!known.has(run.id)) known.set(run.id, newCard());
        const card = known.get(run.id);
        fill(card, run);
        if (cards.children[i] !== card.node) cards.insertBefore(card.node, cards.children[i] ?? null);
      });
    }

    const answer = await fetch(`${model.get("api")}/runs`);
    const content = await answer.json();
    where.textContent = content.folder;
    runs = content.runs;
    draw();
    const events = new EventSource(`${model.get("api")}/live`);
    events.addEventListener("runs", ({ data }) => {
      runs = JSON.parse(data);
      draw();
    });
    const lost = h("p", { className: "lost", hidden: true }, "The studio does not answer: is it still running?");
    title.after(lost);
    events.onerror = () => { lost.hidden = false; };
    events.onopen = () => { lost.hidden = true; };
    const clock = setInterval(draw, 30000);
    return () => {
      events.close();
      clearInterval(clock);
    };
  },
};
