// Pointer, wheel and keys over the plot of a map: hover, select, move, pinch, lasso, and a cursor that arrows move.
import { ARROWS, clamp } from "./kit.js";

// Where two fingers are: their middle and their distance; null for one.
function spread(pointers) {
  const [a, b] = [...pointers.values()];
  return b ? { middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], distance: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1 } : null;
}

export function listenTo(plot) {
  listenToPointer(plot);
  listenToKeys(plot);
}

function listenToPointer(plot) {
  const { canvas, node } = plot, pointers = new Map();
  let start = null; // where a gesture began, and in which view
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const begin = (from, isMoved) => { start = { from, view: { ...plot.view }, isMoved, spread: spread(pointers) }; };

  canvas.onpointerdown = (event) => {
    if (!plot.points || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    plot.cursor = null;
    pointers.set(event.pointerId, at(event));
    if (plot.hasLasso) plot.path = [at(event)];
    begin(at(event), pointers.size > 1);
  };
  canvas.onpointermove = (event) => {
    const place = at(event);
    if (!pointers.has(event.pointerId)) {
      plot.hover(...place);
      return;
    }
    pointers.set(event.pointerId, place);
    const { from, view } = start, now = spread(pointers);
    start.isMoved ||= Math.hypot(place[0] - from[0], place[1] - from[1]) > 4;
    if (!start.isMoved) return;
    if (now && start.spread) { // the place between the fingers stays between them
      plot.path = null;
      plot.moveTo(plot.toMap(...start.spread.middle, view), ...now.middle, view.zoom * now.distance / start.spread.distance);
    } else if (plot.path) {
      plot.path.push(place);
      plot.drawOverlay();
    } else {
      plot.leave();
      plot.moveTo(plot.toMap(...from, view), ...place, view.zoom);
    }
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    const { path } = plot;
    plot.path = null;
    if (pointers.size) begin([...pointers.values()][0], true);
    else if (event.type === "pointercancel") return;
    else if (path && start.isMoved && path.length > 2) plot.selectArea(path.filter((_, k) => k % Math.ceil(path.length / 60) === 0));
    else if (!start.isMoved) {
      plot.hover(...at(event));
      plot.change({ at: plot.hovered >= 0 ? plot.hovered : "" });
    }
  };
  canvas.onpointerleave = () => { if (!pointers.size) plot.leave(); };
  node.addEventListener("wheel", (event) => {
    if (!plot.points) return;
    event.preventDefault();
    plot.zoomAt(Math.exp(-clamp(event.deltaY, -200, 200) / 300), ...at(event));
  }, { passive: false });
}

function moveFrame({ frame, wide, high }, [dx, dy], isSized) {
  if (isSized) Object.assign(frame, { w: clamp(frame.w + 10 * dx, 10, wide), h: clamp(frame.h + 10 * dy, 10, high) });
  frame.x = clamp(frame.x + (isSized ? 0 : 10 * dx), 0, wide - frame.w);
  frame.y = clamp(frame.y + (isSized ? 0 : 10 * dy), 0, high - frame.h);
}

// Past the edge of the plot the map moves instead.
function moveCursor(plot, [dx, dy], by) {
  const { wide, high } = plot, from = plot.cursor ?? { x: wide / 2 - dx * by, y: high / 2 - dy * by };
  const [x, y] = [from.x + dx * by, from.y + dy * by], cursor = plot.cursor = { x: clamp(x, 0, wide), y: clamp(y, 0, high) };
  if (x !== cursor.x || y !== cursor.y) plot.moveTo(plot.toMap(x, y), cursor.x, cursor.y);
  plot.hover(cursor.x, cursor.y);
}

function listenToKeys(plot) {
  const { node } = plot;
  const zoom = (factor) => () => plot.zoomAt(factor, plot.cursor?.x, plot.cursor?.y);
  const showAll = () => plot.change({ view: "" });
  const actions = {
    "+": zoom(1.25), "=": zoom(1.25), "-": zoom(0.8), 0: showAll, home: showAll, l: () => plot.toggleLasso(), r: () => plot.placeFrame(),
    enter() {
      const { cursor, frame, hovered } = plot;
      if (frame) plot.selectArea(plot.frameCorners);
      else plot.change({ at: hovered >= 0 ? hovered : cursor ? plot.points.nearest(...plot.toMap(cursor.x, cursor.y), plot.visible) : "" });
    },
    escape() {
      plot.frame = plot.cursor = plot.path = null;
      plot.leave();
    },
  };
  node.onkeydown = (event) => {
    if (!plot.points || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = ARROWS[event.key], act = actions[event.key.toLowerCase()];
    if (!step && !act) return;
    event.preventDefault();
    if (!step) act();
    else if (!plot.frame) moveCursor(plot, step, event.shiftKey ? 40 : 10);
    else {
      moveFrame(plot, step, event.shiftKey);
      plot.drawOverlay();
    }
  };
  node.onblur = () => {
    if (!plot.cursor) return;
    plot.cursor = null;
    plot.leave();
  };
}
