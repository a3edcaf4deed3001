// Keeps the overview moving and reads its plots out. Without it the pages say the same, as of the moment they were made.
"use strict";

// An open page asks every few seconds, and asking counts as use of the operator's own session. So it stops when nobody
// has touched it for a while: a screen that was left alone keeps nobody signed in.
const ALONE = 10 * 60 * 1000;
const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

let chosen = null; // the bucket that is read out, counted from the latest, so that it keeps its place when time moves on
let resting = false;
let used = Date.now();
let timer;

// --- reading the plots out

/** Return the numbers of the table: for each plot its labels, and for each bucket, the latest first, time and values. */
function numbers(live) {
  const table = live.querySelector(".plain");
  if (!table) return null;
  const [groups, labels] = [...table.tHead.rows].map((row) => [...row.cells].slice(1));
  const plots = {};
  let at = 0;
  for (const group of groups) {
    plots[group.dataset.plot] = { from: at, labels: labels.slice(at, (at += group.colSpan)).map((each) => each.textContent) };
  }
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  return { plots, rows };
}

function read(live) {
  const known = numbers(live);
  if (!known) return;
  for (const figure of live.querySelectorAll("figure")) equip(figure, known);
  show(live, known);
}

/** Put a pane over a plot that takes the pointer and the arrow keys. */
function equip(figure, known) {
  const glass = document.createElement("div");
  const count = known.rows.length;
  glass.className = "glass";
  glass.tabIndex = 0;
  glass.setAttribute("role", "slider");
  glass.setAttribute("aria-label", `${figure.querySelector("h3").textContent.trim()}, moment read out`);
  glass.setAttribute("aria-valuemin", "1");
  glass.setAttribute("aria-valuemax", String(count));
  const readout = document.createElement("div");
  readout.className = "readout";
  readout.hidden = true;
  figure.querySelector(".frame").append(glass, readout);
  const live = figure.closest("#live");
  glass.addEventListener("pointermove", (event) => {
    const box = glass.getBoundingClientRect();
    const number = Math.floor(((event.clientX - box.left) / box.width) * count);
    choose(live, known, count - 1 - number);
  });
  glass.addEventListener("pointerleave", () => choose(live, known, null));
  glass.addEventListener("focus", () => choose(live, known, chosen ?? 0));
  glass.addEventListener("blur", () => choose(live, known, null));
  glass.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    choose(live, known, (chosen ?? 0) - STEPS[event.key]);
  });
}

function choose(live, known, wanted) {
  chosen = wanted === null ? null : Math.min(Math.max(wanted, 0), known.rows.length - 1);
  show(live, known);
}

/** Show the crosshair in every plot, and beside it the values there. */
function show(live, known) {
  const count = known.rows.length;
  for (const figure of live.querySelectorAll("figure")) {
    const [cross, readout, glass] = [".cross", ".readout", ".glass"].map((part) => figure.querySelector(part));
    const plot = known.plots[figure.id.replace("figure-", "")];
    const [time, ...values] = known.rows[chosen ?? 0];
    const told = plot.labels.map((label, number) => [label, values[plot.from + number]]);
    glass.setAttribute("aria-valuenow", String(count - (chosen ?? 0)));
    glass.setAttribute("aria-valuetext", `${time} UTC: ${told.map((pair) => pair.join(" ")).join(", ")}`);
    readout.hidden = chosen === null;
    cross.style.visibility = chosen === null ? "hidden" : "visible";
    if (chosen === null) continue;
    const share = ((count - chosen - 0.5) / count) * 100;
    cross.setAttribute("x1", `${share}%`);
    cross.setAttribute("x2", `${share}%`);
    const head = document.createElement("b");
    head.textContent = `${time} UTC`;
    readout.replaceChildren(head, ...told.map(line));
    place(readout, glass, share / 100);
  }
}

function line([label, value]) {
  const row = document.createElement("span");
  const number = document.createElement("i");
  number.textContent = value;
  number.style.fontStyle = "normal";
  row.append(label, number);
  return row;
}

/** Put the readout on the side of the crosshair that has room. */
function place(readout, glass, share) {
  const [x, width] = [glass.offsetLeft + share * glass.offsetWidth, readout.offsetWidth];
  const right = x + 12 + width <= glass.offsetLeft + glass.offsetWidth;
  readout.style.left = `${Math.max(right ? x + 12 : x - 12 - width, 0)}px`;
}

// --- moving on

async function refresh() {
  const old = document.getElementById("live");
  try {
    const answer = await fetch(`live?span=${old.dataset.span}`, { headers: { accept: "text/html" }, redirect: "manual" });
    // No operator any more, or signed out: let the server say so.
    if (answer.type === "opaqueredirect" || [401, 403].includes(answer.status)) return location.reload();
    if (answer.ok) swap(old, await answer.text());
    else stale();
  } catch {
    stale(); // the server is away
  }
  wait();
}

/** Say that what is shown is not of now; the next answer that arrives takes the words away with the rest. */
function stale() {
  const live = document.getElementById("live");
  live.classList.remove("moving");
  if (live.querySelector(".stale")) return;
  const said = document.createElement("p");
  said.className = "note bad stale";
  said.setAttribute("role", "status");
  live.prepend(said);
  said.textContent = `Not updated since ${live.querySelector(".asof time").textContent}: the server did not answer as it should. It is asked again.`;
}

/** Put the new part in the old one's place; what is open stays open, and the focus where it was. */
function swap(old, text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("live");
  if (!fresh) return;
  const details = old.querySelector("details");
  if (details?.open) fresh.querySelector("details")?.setAttribute("open", "");
  const scrolled = old.querySelector(".scroll")?.scrollTop ?? 0;
  const focused = old.contains(document.activeElement) ? pathTo(document.activeElement) : null;
  const kept = chosen;
  old.replaceWith(fresh);
  chosen = kept;
  begin(fresh);
  if (fresh.querySelector(".scroll")) fresh.querySelector(".scroll").scrollTop = scrolled;
  if (focused) fresh.querySelector(focused)?.focus({ preventScroll: true });
}

function pathTo(element) {
  const figure = element.closest("figure");
  if (figure) return `#${figure.id} .glass`;
  if (element.matches(".tabs a")) return `.tabs a[href="${element.getAttribute("href")}"]`;
  return [".pause", "summary", ".scroll"].find((part) => element.matches(part)) ?? null;
}

function wait() {
  clearTimeout(timer);
  const live = document.getElementById("live");
  if (Date.now() - used > ALONE) rest(live, true);
  if (!resting && !document.hidden) timer = setTimeout(refresh, Number(live.dataset.refresh) * 1000);
}

function rest(live, wanted) {
  resting = wanted;
  live.querySelector(".pause").textContent = resting ? "Resume" : "Pause";
  live.classList.toggle("moving", !resting);
}

function begin(live) {
  const pause = document.createElement("button");
  pause.type = "button";
  pause.className = "quiet small pause";
  pause.textContent = resting ? "Resume" : "Pause";
  pause.addEventListener("click", () => {
    rest(live, !resting);
    if (resting) clearTimeout(timer);
    else refresh();
  });
  live.querySelector(".tools").append(pause);
  live.classList.toggle("moving", !resting);
  read(live);
}

const first = document.getElementById("live");
if (first) {
  begin(first);
  wait();
  for (const kind of ["pointermove", "keydown", "scroll"]) addEventListener(kind, () => (used = Date.now()), { passive: true });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : resting || refresh()));
}
