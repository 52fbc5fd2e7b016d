// The frame of the studio: which view is shown, and the address that says so. Views know nothing of it.
import { Model } from "/page/model.js";

// Every view: its title in the bar, its module, and whether it shows one run.
const VIEWS = {
  home: { title: "Runs", load: () => import("/page/home.js") },
  compare: { title: "Compare", load: () => import("/page/compare.js") },
  new: { title: "New run", load: () => import("/page/new.js") },
  lecture: { title: "Lecture", load: () => import("/page/lecture.js") },
  train: { title: "Training", load: () => import("/page/train.js"), ofRun: true },
  latent: { title: "Codes", load: () => import("/page/latent.js"), ofRun: true },
  map: { title: "Map", load: () => import("/page/map.js"), ofRun: true },
  try: { title: "Try an image", load: () => import("/page/try.js"), ofRun: true },
  update: { title: "One update", load: () => import("/page/update.js"), ofRun: true },
};
const pages = document.getElementById("pages");
const el = document.getElementById("view");
const tabs = document.getElementById("tabs");
let shown = { key: "", model: null, leave: null };
let writing = 0; // the timer of an address that is to be written
const PAUSE = 100; // milliseconds without a change before the address is written: browsers refuse hundreds

// #train/vae-digits-0001?images=5000 -> { view, run, state }
function readAddress() {
  const [path, query = ""] = location.hash.slice(1).split("?");
  const [view, run = ""] = path.split("/");
  const state = Object.fromEntries(new URLSearchParams(query));
  const known = Object.hasOwn(VIEWS, view) && (VIEWS[view].ofRun ? run : !run);
  return known ? { view, run: safeDecode(run), state } : { view: "home", run: "", state: {} };
}

function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function address(view, run, state = {}) {
  const query = new URLSearchParams(Object.entries(state).filter(([, value]) => value !== "" && value != null));
  const path = run ? `${view}/${encodeURIComponent(run)}` : view;
  return `#${path}${query.size ? `?${query}` : ""}`;
}

function drawTabs(view, run) {
  pages.replaceChildren();
  tabs.replaceChildren();
  for (const [name, { title, ofRun }] of Object.entries(VIEWS)) {
    if (ofRun && !run) continue;
    const link = document.createElement("a");
    link.href = address(name, ofRun ? run : "");
    link.textContent = title;
    if (name === view) link.setAttribute("aria-current", "page");
    (ofRun ? tabs : pages).append(link);
  }
}

async function show() {
  clearTimeout(writing);
  const { view, run, state } = readAddress();
  const key = `${view}/${run}`;
  if (key === shown.key) {
    shown.model.replace(state);
    return;
  }
  const before = shown;
  const api = run ? `/api/runs/${encodeURIComponent(run)}` : "/api";
  const save = (values) => {
    clearTimeout(writing);
    writing = setTimeout(() => history.replaceState(null, "", address(view, run, values)), PAUSE);
  };
  const model = new Model({ run, api }, state, save);
  shown = { key, model, leave: null };
  before.leave?.();
  before.model?.close();
  const module = (await VIEWS[view].load()).default;
  if (shown.model !== model) return; // another view was chosen meanwhile
  const box = document.createElement("div");
  box.className = `view view-${view}`;
  el.replaceChildren(box);
  document.title = run ? `${run} – Limner studio` : "Limner studio";
  drawTabs(view, run);
  shown.leave = await module.render({ model, el: box });
  if (before.key) el.focus({ preventScroll: true });
  scrollTo(0, 0);
}

if (location.search) history.replaceState(null, "", `/${location.hash}`); // the token is in a cookie now
addEventListener("hashchange", show);
show();
