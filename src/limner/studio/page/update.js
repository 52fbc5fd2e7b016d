// One update in slow motion: a batch, each loss, each move, with the numbers; a guess before each result.
import { ask, button, cleared, count, group, h, notes, painted, row, short, state, statusLine } from "./kit.js";

const MOST_SKIPPED = 50;
const PARTS = { autoencoder: "autoencoder", "conv-autoencoder": "autoencoder", vae: "vae", gan: "gan", dcgan: "dcgan", cgan: "dcgan" };
const MARKS = { real: "● ", generated: "◆ " };
const brief = (n) => short(n, 3, 1e-4);
const precise = (n) => short(n, 4, 0);

// Two numbers with as many digits as show that they differ.
function change(before, after) {
  if (before === null || after === null) return `${precise(before)} → ${precise(after)}`;
  let digits = 3;
  while (digits < 8 && +before.toPrecision(digits) === +after.toPrecision(digits)) digits++;
  return `${+before.toPrecision(digits)} → ${+after.toPrecision(digits)}`;
}

// A row of images of one kind, with lines of words under each.
function pictures(title, images, lines = () => []) {
  const { kind } = images[0];
  return h(`section.images.${kind}`, h("h3", h("span", { ariaHidden: "true" }, MARKS[kind]), title),
    h("div.figures", images.map((image, i) => h("figure", painted(image, `${title}, ${i + 1}`),
      h("figcaption", lines(i).map((line) => h("span", line)))))));
}

const table = (...rows) => h("table.numbers", h("tbody", rows.map((cells) => row(...cells))));

// How far the weights moved, under the first rows of a table.
const moveTable = (move, ...rows) => table(...rows, ["norm of the gradient", precise(move.gradient_norm)], ["learning rate", brief(move.rate)],
  ["the weights moved by", `${precise(move.step_norm)}, of a norm of ${precise(move.weight_norm)}`]);

// A step is { name, content, question }: `content` makes its elements, the question comes before they are shown.
// What it says is in the studio's answer, with {places} for numbers.
const makeStep = ({ name, text }, values, parts, question) => ({
  name, question, content: () => [h("p", text.replace(/\{(\w+)\}/g, (_, key) => values[key])), ...parts()],
});

// ---- the steps of a game
const REAL = "D(x)", FAKE = "D(G(z))";

function gameSteps({ moves, game, batch, texts }) {
  return moves.flatMap((move, at) => {
    const { before, after, optimizer: who } = move, x = before.images.x, fakes = before.images["G(z)"], text = texts[who];
    const values = { batch, shown: fakes.length, judges: texts.judges[game.scale] ?? texts.judges.other };
    const mean = (view, symbol) => view.values[symbol].mean, changed = (symbol) => change(mean(before, symbol), mean(after, symbol));
    const outputs = (view, symbol) => (i) => [brief(view.values[symbol].each[i])];
    const outputsOfBoth = (symbol) => (i) => [...outputs(before, symbol)(i), `→ ${outputs(after, symbol)(i)}`];
    const judged = (symbol, images) => pictures(`${symbol}, on average ${brief(mean(before, symbol))}`, images, outputs(before, symbol));
    const moved = (symbol, images) => pictures(`${symbol}, on average ${changed(symbol)}`, images, outputsOfBoth(symbol));
    const formula = (game.plain || who === "G" ? texts.formulas[who][game.loss] : undefined) ?? `The ${game.loss} loss of ${who}`;
    const loss = h("p.formula", `${formula} = ${precise(move.loss)}`);
    const bothFall = who === "D" && mean(after, REAL) < mean(before, REAL);
    const question = { key: `guess${at}`, text: text.question, before: mean(before, FAKE), after: mean(after, FAKE), what: "mean D(G(z))",
      why: { rise: text.rise, fall: bothFall ? text["both fall"] : text.fall } };
    const numbers = () => moveTable(move, ["loss of this batch", changed("loss")], ...Object.entries(move.terms).map(([term, value]) => [term, precise(value)]));
    const step = (key, parts, asks) => makeStep(texts[key], values, parts, asks);
    if (who === "D") return [
      step("batch", () => [pictures("real images x", x), pictures("generated images G(z)", fakes)]),
      step("loss of D", () => [judged(REAL, x), judged(FAKE, fakes), loss, ...notes([texts["loss of D"].note])]),
      step("D", () => [moved(REAL, x), moved(FAKE, fakes), numbers()], question),
    ];
    return [
      step("loss of G", () => [judged(FAKE, fakes), loss]),
      step("G", () => [pictures("G(z) before", fakes, outputs(before, FAKE)), pictures("G(z) after", after.images["G(z)"], outputs(after, FAKE)), numbers()], question),
    ];
  });
}

// ---- the steps of an autoencoder
const LETTERS = { mu: "μ", sigma: "σ", z: "z" };
const NOT_TERMS = [...Object.keys(LETTERS), "error", "loss"];

function codeSteps({ moves: [move], batch, texts }) {
  const { before, after } = move, { values, images: { x, reconstruction } } = before;
  const watched = "kl" in values ? "kl" : "error", { what, rise, fall } = texts[watched];
  const codes = (i) => Object.keys(LETTERS).filter((key) => key in values).map((key) => {
    const numbers = values[key].each[i], first = numbers.slice(0, 3).map((n) => (n === null ? "not finite" : n.toFixed(2)));
    return `${LETTERS[key]} (${first.join(", ")}${numbers.length > 3 ? ", …" : ""})`;
  });
  const errors = (view) => (i) => [brief(view.values.error.each[i])];
  const terms = (text) => Object.keys(values).filter((name) => !NOT_TERMS.includes(name)).map((name) => [texts.terms[name] ?? name, text(name)]);
  const mean = (name) => precise(values[name].mean), changed = (name) => change(values[name].mean, after.values[name].mean);
  const step = (key, parts, asks) => makeStep(texts[key], { batch, shown: x.length }, parts, asks);
  return [
    step("batch", () => [pictures("images x", x)]),
    step("code", () => [pictures(texts.code.title, x, codes)]),
    step("reconstruction", () => [pictures("images x", x), pictures("reconstructions", reconstruction, errors(before))]),
    step("loss", () => [table(["loss", mean("loss")], ...terms(mean), ["norm of the gradient", precise(move.gradient_norm)])]),
    step("step", () => [moveTable(move, ["loss", changed("loss")], ...terms(changed))], { key: "guess0", before: values[watched].mean,
      after: after.values[watched].mean, what, text: texts.step.question.replace("{what}", what), why: { rise, fall } }),
    step("after", () => [pictures("images x", x), pictures("reconstructions before", reconstruction, errors(before)),
      pictures("reconstructions after", after.images.reconstruction, errors(after))]),
  ];
}

// ---- the page
function drawAnswer({ before, after, what, why }, guess) {
  const direction = after > before ? "rise" : after < before ? "fall" : "none";
  const fact = { rise: "It rose", fall: "It fell", none: "It stayed as it was" }[direction];
  const verdict = guess === "none" || direction === "none" ? "" : guess === direction ? "Yes. " : "No. ";
  return h("p.answer", h("strong", `${verdict}${fact}: ${what} ${change(before, after)}. `), why[direction]);
}

async function render({ model, el }) {
  const { get, change: set, whole } = state(model);
  let steps = [], asked = -1;
  const skip = () => whole("skip", 0, 0, MOST_SKIPPED), at = () => whole("step", 1, 1, steps.length) - 1;
  const go = (i) => set({ step: i + 1 });
  const keys = () => steps.flatMap(({ question }) => question?.key ?? []);
  const busy = statusLine(), list = h("ol.steps"), stage = h("section.stage-of-update", { tabIndex: -1, ariaLive: "polite" });
  const back = button("Back", () => go(at() - 1)), next = button("Next", () => go(at() + 1));
  const another = button("The update after it", () =>
    set({ skip: Math.min(MOST_SKIPPED, skip() + 1), step: "", ...cleared(keys()) }));
  const why = h("a", { hidden: true }, "Why? The lecture explains it");
  el.append(h("h1", "One update in slow motion"), busy, list, stage, group("Steps", back, next, another), h("p", why));

  function drawGuess({ key, text }) {
    const guess = (label, value) => button(label, () => {
      set({ [key]: value });
      stage.focus({ preventScroll: true }); // the button that had it is gone
    });
    return [h("p.asked", text), group("Your guess", guess("It rises", "rise"), guess("It falls", "fall"), guess("Just show it", "none"))];
  }
  function draw() {
    if (!steps.length) return;
    const here = at(), { name, question, content } = steps[here], guess = question && get(question.key);
    [...list.querySelectorAll("button")].forEach((each, i) => { each.ariaCurrent = i === here ? "step" : null; });
    const parts = question && !guess ? drawGuess(question) : [question && drawAnswer(question, guess), ...content()];
    stage.replaceChildren(h("h2", `${here + 1}. ${name}`), ...parts.filter(Boolean));
    back.disabled = here === 0;
    next.disabled = here === steps.length - 1;
    another.disabled = skip() >= MOST_SKIPPED;
  }
  async function load() {
    const wanted = skip();
    if (asked === wanted) return;
    asked = wanted;
    busy.textContent = "A copy of the model takes the step…";
    const update = await ask(`${model.get("api")}/update?skip=${wanted}`);
    if (asked !== wanted) return;
    if (update.error) {
      busy.textContent = update.error;
      for (const part of [list, stage, back, next, another]) part.hidden = true;
      return;
    }
    keys().forEach((key) => model.off(`change:${key}`, draw));
    steps = update.game ? gameSteps(update) : codeSteps(update);
    keys().forEach((key) => model.on(`change:${key}`, draw));
    const which = wanted ? `as number ${wanted + 1}` : "next";
    busy.textContent = `${model.get("run")} at ${count(update.images)} images. This is the update that training would do ${which} after its last checkpoint, done by a copy: the run stays as it is.`;
    if (PARTS[update.model]) Object.assign(why, { hidden: false, href: `#lecture?part=${PARTS[update.model]}` });
    list.replaceChildren(...steps.map((step, i) => h("li", button(step.name, () => go(i)))));
    draw();
  }
  model.on("change:step", draw);
  model.on("change:skip", load);
  await load();
}

export default { render };
