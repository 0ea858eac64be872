// The page of a listening study: hear a track and two recommendations, say which goes better with it.

import { ask, guarded } from "./shared/ask.js";

const SIDES = ["track", "first", "second"];
const KEYS = { arrowleft: "first", arrowright: "second", arrowdown: "same" };
const $ = (id) => document.getElementById(id);
const state = { listener: findListener(), question: null, heard: new Set(), sources: [] };

function findListener() {
  let listener = localStorage.getItem("listener");
  if (!/^[0-9a-f]{16}$/.test(listener ?? "")) {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    listener = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    localStorage.setItem("listener", listener);
  }
  return listener;
}

const start = async () => show(await (await ask(`v1/next?listener=${state.listener}`)).json());

async function show({ n_answered, n_questions, next }) {
  $("progress").textContent = `${n_answered} of ${n_questions} answered`;
  $("bar").max = n_questions;
  $("bar").value = n_answered;
  $("question").hidden = !next;
  $("done").hidden = Boolean(next);
  state.question = next;
  state.heard.clear();
  state.sources.splice(0).forEach(URL.revokeObjectURL);
  for (const side of SIDES) $(side).querySelector(".clips").replaceChildren();
  allow();
  if (!next) return;
  window.scrollTo(0, 0);
  await Promise.all(SIDES.map((side) => load(side, [next[side]].flat(), next)));
}

async function load(side, names, question) {
  const title = $(`${side}-title`).firstChild.textContent.trim();
  const players = names.map(() => Object.assign(document.createElement("audio"), { controls: true }));
  players.forEach((player, i) => player.setAttribute("aria-label", `${title}, clip ${i + 1}`));
  for (const player of players) {
    player.addEventListener("play", () => quieten(player));
    player.addEventListener("timeupdate", () => {
      if (player.currentTime < Math.min(1, player.duration / 2)) return;
      player.dataset.heard = "1";
      if (players.every((p) => p.dataset.heard)) state.heard.add(side);
      allow();
    });
  }
  $(side).querySelector(".clips").replaceChildren(...players);
  await Promise.all(players.map(async (player, i) => {
    const blob = await (await ask(`v1/clip?name=${encodeURIComponent(names[i])}`)).blob();
    if (state.question !== question) return;
    player.src = URL.createObjectURL(blob);
    state.sources.push(player.src);
  }));
}

const listPlayers = (side) => [...$(side).querySelectorAll("audio")];

function quieten(player) {
  for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
}

function allow() {
  const ready = state.question && SIDES.every((side) => state.heard.has(side));
  for (const button of document.querySelectorAll("[data-choice]")) button.disabled = !ready;
  $("hint").hidden = Boolean(ready);
}

function play(side) {
  const players = listPlayers(side), at = players.findIndex((player) => !player.paused);
  if (at < 0) return (players.find((player) => !player.dataset.heard) ?? players[0])?.play();
  players[at].pause();
  players[at + 1]?.play();
}

async function answer(choice) {
  const { question } = state.question ?? {};
  if (question === undefined || document.querySelector("[data-choice]:disabled")) return;
  for (const button of document.querySelectorAll("[data-choice]")) button.disabled = true;
  try {
    const body = JSON.stringify({ listener: state.listener, question, choice });
    await show(await (await ask("v1/answer", { method: "POST", body })).json());
  } finally {
    allow();
  }
}

for (const button of document.querySelectorAll("[data-choice]")) {
  button.addEventListener("click", () => guarded(() => answer(button.dataset.choice)));
}
$("key").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", $("api-key").value);
  $("key").hidden = true;
  guarded(start);
});
$("next-listener").addEventListener("click", () => {
  localStorage.removeItem("listener");
  state.listener = findListener();
  guarded(start);
});
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, audio") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const side = SIDES["012".indexOf(event.key)], choice = KEYS[event.key.toLowerCase()];
  if (!side && !choice) return;
  event.preventDefault();
  guarded(async () => (side ? play(side) : answer(choice)));
});

guarded(start);
