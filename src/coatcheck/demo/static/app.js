// Counts the clocks down, and says that a form is on its way. Without it the pages say the clocks in words, as of the
// moment they were made.
"use strict";

const DAY = 86400000;

function inWords(left) {
  if (left <= 0) return "over";
  const days = Math.floor(left / DAY);
  const seconds = Math.floor((left % DAY) / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const clock = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return days ? `${days} ${days === 1 ? "day" : "days"} ${clock}` : clock;
}

// Only the length of time comes from the server: the two clocks need not agree on what time it is.
const began = Date.now();
const clocks = [...document.querySelectorAll("[data-left]")].map((text) => ({
  text,
  bar: text.parentElement.querySelector("progress"),
  left: Number(text.dataset.left),
}));

function tick() {
  const passed = Date.now() - began;
  for (const { text, bar, left } of clocks) {
    const now = Math.max(0, left - passed);
    text.textContent = inWords(now);
    bar.value = now;
  }
}

if (clocks.length) {
  tick();
  setInterval(tick, 1000);
}

const busy = [...document.querySelectorAll("form[data-busy]")].map((form) => {
  const button = form.querySelector("button");
  const words = button.textContent;
  form.addEventListener("submit", () => {
    button.setAttribute("aria-busy", "true");
    button.textContent = form.dataset.busy;
  });
  return { button, words };
});

// A page that the browser kept and shows again is not busy any more.
addEventListener("pageshow", () => {
  for (const { button, words } of busy) {
    button.removeAttribute("aria-busy");
    button.textContent = words;
  }
});
