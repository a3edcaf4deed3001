// Puts a result in place without another page. Without it the same forms lead to the same page with the result in it.
"use strict";

const told = document.getElementById("told");

function say(text) {
  told.textContent = text;
}

async function send(form, button) {
  const words = button.textContent;
  button.setAttribute("aria-disabled", "true");
  button.textContent = "Running…";
  say("Running.");
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const place = form.closest(".hand, section");
  const made = page.getElementById(place.id);
  if (!made) throw new Error(`no result, but status ${answer.status} after "${words}"`);
  place.replaceWith(made);
  addCopy();
  made.querySelector("form button").focus({ preventScroll: true });
  say(made.querySelector("[data-told]")?.dataset.told ?? made.querySelector(".note, p")?.textContent ?? "");
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.closest(".proof")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.getAttribute("aria-disabled")) return;
  try {
    await send(form, button);
  } catch {
    form.submit(); // the whole page says what is wrong
  }
});

function addCopy() {
  const line = document.getElementById("line");
  if (!line || !navigator.clipboard) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(line.textContent);
    button.textContent = "Copied";
    say("Copied.");
  });
  line.parentElement.after(button);
}

addCopy();
