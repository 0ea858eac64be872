// The page to label by ear: hear a file, press a label, go on to the next.

import { Refusal, ask, guarded, say } from "./shared/ask.js";
import { decode, drawWave } from "./shared/picture.js";

const KEYS = [..."1234567890", ..."qwertzxcvnmadfghjklpiyo"]; // not b, s, u: those move
const STEP = 5; // seconds
const $ = (id) => document.getElementById(id);
const state = { person: "", tracks: [], classes: [], at: -1, suggestion: null, turn: 0, source: null };

const query = (values) => new URLSearchParams(values).toString();

// ------------------------------------------------------------------ who, and what there is

async function start() {
  const { tracks, ...rest } = await (await ask(`v1/state?${query({ person: state.person })}`)).json();
  state.tracks = tracks;
  localStorage.setItem("person", state.person);
  $("who").hidden = true;
  count(rest);
  await open(next(-1));
}

function count({ classes, people, summary }) {
  state.classes = classes;
  const mine = state.tracks.filter((t) => t.label).length;
  $("progress").textContent = `${state.person}: ${mine} of ${state.tracks.length} files labelled`;
  $("agreement").hidden = people.length < 2;
  const alpha = summary.alpha === null ? "nothing to compare yet" : `Krippendorff's alpha ${summary.alpha.toFixed(2)}`;
  $("alpha").textContent = `${people.join(", ")}: ${summary.several} files with several labels, ` +
    `${summary.at_odds} without a majority; ${alpha}. 1 is full agreement, 0 is chance.`;
}

const next = (from) => state.tracks.findIndex((t, i) => i > from && !t.label);

// ------------------------------------------------------------------ one file

async function open(at) {
  const turn = ++state.turn;
  state.at = at;
  state.suggestion = null;
  $("player").pause();
  $("done").hidden = at >= 0;
  $("track").hidden = at < 0;
  if (at < 0) return;
  const { path } = state.tracks[at];
  $("title").textContent = path;
  $("suggestion").textContent = "";
  showClasses();
  hear(path, turn);
  const said = await (await ask(`v1/suggestion?${query({ path })}`)).json();
  if (turn !== state.turn || !said) return;
  state.suggestion = said.label;
  $("suggestion").textContent = `Suggested: ${said.label} (${said.score.toFixed(2)})`;
  showClasses();
}

async function hear(path, turn) {
  const pen = $("wave").getContext("2d");
  pen.clearRect(0, 0, $("wave").width, $("wave").height);
  await guarded(async () => {
    const bytes = await (await ask(`v1/audio?${query({ path })}`)).arrayBuffer();
    if (turn !== state.turn) return;
    if (state.source) URL.revokeObjectURL(state.source);
    state.source = URL.createObjectURL(new Blob([bytes]));
    $("player").src = state.source;
    $("player").play().catch(() => {}); // browsers wait for the first press
    const track = await decode(bytes).catch(() => { throw new Refusal("This browser cannot decode the file"); });
    if (turn === state.turn) drawWave($("wave"), track);
  });
}

function showClasses() {
  const given = state.tracks[state.at].label;
  $("classes").replaceChildren(...state.classes.map((name, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(name);
    if (KEYS[i]) button.append(Object.assign(document.createElement("kbd"), { textContent: KEYS[i] }));
    button.className = name === state.suggestion ? "suggested" : "";
    button.ariaPressed = String(name === given);
    button.addEventListener("click", () => guarded(() => give(name)));
    return button;
  }));
}

async function give(label) {
  const track = state.tracks[state.at];
  if (!track) return;
  const body = JSON.stringify({ person: state.person, path: track.path, label });
  const said = await (await ask("v1/answer", { method: "PUT", body })).json();
  track.label = label.trim().replace(/\s+/g, " ");
  count(said);
  await open(next(state.at) >= 0 ? next(state.at) : next(-1));
}

async function undo() {
  const { path, label, ...rest } = await (await ask(`v1/undo?${query({ person: state.person })}`, { method: "POST" })).json();
  if (path === null) throw new Refusal("There is nothing to undo.");
  const at = state.tracks.findIndex((t) => t.path === path);
  state.tracks[at].label = label;
  count(rest);
  await open(at);
}

const back = () => open(Math.max(0, (state.at < 0 ? state.tracks.length : state.at) - 1));
const skip = () => open(state.at + 1 < state.tracks.length ? state.at + 1 : next(-1));

function seek(seconds) {
  const player = $("player");
  if (player.duration) player.currentTime = Math.min(Math.max(seconds, 0), player.duration);
}

// ------------------------------------------------------------------ presses and keys

$("who").addEventListener("submit", (event) => {
  event.preventDefault();
  state.person = $("person").value;
  guarded(start);
});
$("key").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", $("api-key").value);
  $("key").hidden = true;
  guarded(start);
});
$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const label = $("other").value;
  $("other").value = "";
  $("other").blur();
  guarded(() => give(label));
});
for (const [id, work] of [["undo", undo], ["previous", back], ["skip", skip]]) $(id).addEventListener("click", () => guarded(work));

$("player").addEventListener("timeupdate", () => {
  const { currentTime, duration } = $("player");
  $("playhead").style.left = `${100 * currentTime / (duration || 1)}%`;
  $("picture").ariaValueNow = currentTime.toFixed(1);
  $("picture").ariaValueMax = (duration || 0).toFixed(1);
});
$("picture").addEventListener("click", (event) => {
  const box = $("wave").getBoundingClientRect();
  seek((event.clientX - box.left) / box.width * $("player").duration);
});

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey || !$("who").hidden) return;
  const player = $("player"), key = event.key.toLowerCase(), place = KEYS.indexOf(key);
  const actions = {
    " ": () => (player.paused ? player.play() : player.pause()),
    arrowleft: () => seek(player.currentTime - STEP),
    arrowright: () => seek(player.currentTime + STEP),
    u: undo,
    b: back,
    s: skip,
  };
  if (key === "enter" && event.target.matches("button")) return;
  if (key === "enter" && state.suggestion) actions.enter = () => give(state.suggestion);
  if (place >= 0 && place < state.classes.length && state.at >= 0) actions[key] = () => give(state.classes[place]);
  if (!actions[key]) return;
  event.preventDefault();
  guarded(actions[key]);
});

$("person").value = new URLSearchParams(location.search).get("person") ?? localStorage.getItem("person") ?? "";
