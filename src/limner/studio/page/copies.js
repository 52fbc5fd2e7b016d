// Whether a model copies: samples beside their nearest training images, and their distances beside those of test images.
import { button, h, notes, painted, poll, problemLine, state } from "./kit.js";
import { drawMark } from "./marks.js";

// Distances on a line: test images above, samples below.
function linePlot(pairs, tests, most, { real, generated, panel }) {
  const node = h("canvas.line-plot", { width: 1200, height: 150, role: "img", ariaLabel: "distances of test images and of samples" });
  const context = node.getContext("2d");
  const put = (value, row, shape, colour) => {
    context.save();
    context.translate(20 + 1160 * value / most, row);
    context.globalAlpha = 0.55;
    drawMark(context, shape, colour, 8, panel);
    context.restore();
  };
  tests.forEach((value, k) => put(value, 30 + k % 4 * 10, 0, real));
  pairs.forEach(({ distance }, k) => put(distance, 100 + k % 3 * 12, "diamond", generated));
  return node;
}

function figure({ sample, training, distance, nearer }) {
  const [left, right] = [sample, training].map((image) => {
    const node = painted(image);
    node.classList.add(image.kind);
    return node;
  });
  return h("figure", h("div.two", left, right),
    h("figcaption", `${sample.caption}: ${distance.toFixed(2)}; ${Math.round(100 * nearer)} % of test images are nearer`));
}

function describe({ pairs, tests, summary }, colours) {
  const most = Math.max(...pairs.map(({ distance }) => distance), ...tests) * 1.05 || 1;
  const sorted = [...pairs].sort((a, b) => a.nearer - b.nearer || a.distance - b.distance);
  return [h("p", summary), ...notes([`● test images above, ◆ samples below; from 0 to ${most.toFixed(1)}.`]), linePlot(pairs, tests, most, colours),
    ...notes(["Each sample (dashed, orange) beside its nearest training image (blue), the most suspicious first."]), h("div.pairs", sorted.map(figure))];
}

export function makeCopies(model, measures, marks) {
  const { get, change, pick } = state(model), node = h("section.copies");
  const progress = h("progress", { max: 1, hidden: true }), result = h("div", { ariaLive: "polite" });
  const compare = button("Compare with training images", () => change({ copies: "1" }));
  const box = h("select", { ariaLabel: "Distance by", onchange: () => change({ by: box.value }) },
    measures.map((value) => h("option", { value }, `by ${value}`)));
  let search = 0;
  async function draw() {
    const own = ++search;
    box.value = pick("by", measures);
    result.replaceChildren();
    compare.hidden = get("copies") === "1";
    if (!measures.length || !compare.hidden) return;
    const content = await poll(`${model.get("api")}/copies?by=${box.value}`, (share) => {
      progress.hidden = false;
      progress.value = share;
    }, () => own === search);
    if (!content) return;
    progress.hidden = true;
    result.replaceChildren(...(content.error ? [problemLine(content.error)] : describe(content, marks.colours)));
  }
  if (measures.length) node.append(h("h2", "Is it copying?"), h("div.controls", compare, measures.length > 1 && box), progress, result);
  return { node, draw, leave: () => { search++; } };
}
