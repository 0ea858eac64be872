// The page: choose music, hear it, see what the models say of it, go on from there.

import { TrackMap } from "./map.js";
import { countSkip, countPlay, forget, readHistory } from "./history.js";
import { decode, drawSpectrum, drawWave } from "./picture.js";

const SHOWN = 8; // classes per task
const $ = (id) => document.getElementById(id);
const state = { turn: 0, track: null, dislikes: [], embedding: null, version: null, place: null, heard: [], reasons: [], catalog: null };
const map = new TrackMap($("chart"), $("legend"), $("pointed"), (track) => guarded(() => take(track)));

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

class Refusal extends Error {}

async function ask(path, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = { ...options.headers, ...(key ? { "X-API-Key": key } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Refusal("The service cannot be reached.");
  }
  if (response.status === 401) $("key").hidden = false;
  if (!response.ok) {
    const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
    const text = typeof detail === "string" ? detail : detail.map((d) => d.msg).join("; ");
    throw new Refusal(text.charAt(0).toUpperCase() + text.slice(1) + ".");
  }
  return response;
}

const json = async (path, options) => (await ask(path, options)).json();

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
  if (text) $("message").scrollIntoView({ block: "nearest" });
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say(error.message);
  }
}

// ------------------------------------------------------------------ what there is

async function start() {
  const { models, errors } = await json("v1/models");
  const words = models.map((m) => `${m.task}: ${m.name}`);
  const warning = models.some((m) => m.embedded) ? " Trained on made-up music: labels mean nothing on real music." : "";
  $("service").textContent = (words.length ? `${words.join(", ")}.` : "No model is released yet.") + warning;
  if (errors.length) say(errors.join(" "));
  await list();
  if (state.catalog) await chart();
}

async function chart() {
  const { points, share, n_tracks } = await json("v1/map");
  $("map").hidden = false;
  const some = points.length < n_tracks ? `${points.length} of ${n_tracks} tracks, ` : "";
  $("share").textContent = `${some}two directions that hold ${Math.round(100 * share)} % of their differences`;
  map.fill(points);
  const genres = [...new Set(points.map((p) => p.genre).filter(Boolean))].sort((a, b) => a.localeCompare(b));
  $("genre").replaceChildren(make("option", { value: "" }, "any"), ...genres.map((g) => make("option", { value: g }, g)));
}

async function list() {
  const turn = state.listing = (state.listing ?? 0) + 1;
  try {
    const found = await json(`v1/tracks?n=40&search=${encodeURIComponent($("search").value)}`);
    if (turn !== state.listing) return;
    state.catalog = found.version;
    $("catalog").hidden = false;
    if (!found.tracks.length) return $("tracks").replaceChildren(make("li", { className: "by" }, "Nothing in the catalog is called so."));
    $("tracks").replaceChildren(...found.tracks.map((track) => make("li", {}, make("button", {
      type: "button", onclick: () => guarded(() => take(track)),
    }, ...title(track)))));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error; // no catalog: the page does without
  }
}

function title(track) {
  const by = [track.artist, track.genre, track.year].filter(Boolean).join(" · ");
  return [make("span", { className: "name" }, track.title ?? track.id), make("span", { className: "by" }, by)];
}

// ------------------------------------------------------------------ one track

async function take(track) {
  say("");
  const blob = await (await ask(track.audio)).blob();
  await open(new File([blob], track.id, { type: blob.type }), track);
}

async function open(file, track = null) {
  if (!file.size) throw new Refusal(`${file.name} is empty; choose another file.`);
  const turn = ++state.turn;
  Object.assign(state, { track, embedding: null, place: null, heard: [], reasons: [], dislikes: [] });
  map.mark({ chosen: track?.id });
  say("");
  for (const id of ["said", "near"]) $(id).hidden = true;
  $("track").hidden = false;
  $("track-title").textContent = track?.title ?? file.name;
  $("status").textContent = "Listening …";
  $("over-time").replaceChildren();
  URL.revokeObjectURL($("player").src);
  $("player").src = URL.createObjectURL(file);
  $("choose").classList.add("chosen");
  show(file, turn);
  try {
    const query = `over_time=true&embedding=true&name=${encodeURIComponent(file.name.slice(-200))}`;
    const { predictions, embedding, version, place, reasons } = await json(`v1/predict?${query}`, { method: "POST", body: file });
    if (turn !== state.turn) return;
    scores(predictions);
    overTime(predictions);
    const heard = predictions.filter((p) => !p.unsure).flatMap((p) => p.label);
    Object.assign(state, { embedding, version, place, heard, reasons });
    map.mark({ chosen: track?.id, place });
    $("track").scrollIntoView({ block: "start", behavior: "smooth" });
    if (state.catalog && (track || embedding)) await recommend(turn);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (turn === state.turn) $("track").hidden = !track;
    throw new Refusal(`${track?.title ?? file.name}: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`);
  } finally {
    if (turn === state.turn) $("status").textContent = "";
  }
}

async function show(file, turn) {
  const canvases = [$("wave"), $("spectrum")];
  canvases.forEach((c) => c.getContext("2d").clearRect(0, 0, c.width, c.height));
  try {
    const decoded = await decode(await file.arrayBuffer());
    if (turn !== state.turn) return;
    canvases.forEach((c) => { c.hidden = false; });
    drawWave($("wave"), decoded);
    drawSpectrum($("spectrum"), decoded);
  } catch {
    canvases.forEach((c) => { c.hidden = true; }); // a format that this browser cannot play
  }
}

const best = (scored) => Object.entries(scored).sort((a, b) => b[1] - a[1]).filter(([, score], i) => i < 3 || score >= 0.005).slice(0, SHOWN);
const heading = (task) => task.charAt(0).toUpperCase() + task.slice(1);

function why(reasons, words) {
  if (!reasons.length) return [];
  return [make("p", { className: "hint" }, words), make("ul", { className: "reasons" }, ...reasons.map((text) => make("li", {}, text)))];
}

function scores(predictions) {
  $("said").hidden = false;
  $("scores").replaceChildren(...predictions.flatMap((p) => {
    const named = [p.label].flat();
    const rows = best(p.scores).map(([name, score]) => make("div", { className: named.includes(name) ? "score named" : "score" },
      make("span", {}, name),
      make("meter", { value: score, ariaLabel: `${name}: ${Math.round(100 * score)} %` }),
      make("output", {}, `${Math.round(100 * score)} %`)));
    const words = named.join(", ") || "none";
    const rule = Array.isArray(p.label) ? [make("p", { className: "hint" }, "Each tag is given from a score of its own on: those that are, in bold.")] : [];
    return [make("h3", {}, `${heading(p.task)}: ${words}${p.unsure ? " (unsure)" : ""}`), ...why(p.reasons, "Do not rely on this answer:"), ...rule, ...rows];
  }));
}

function overTime(predictions) {
  $("over-time").replaceChildren(...predictions.filter((p) => p.over_time).flatMap((p) => {
    const { starts, seconds, scores: perClass } = p.over_time;
    const whole = Math.max(starts.at(-1) + seconds, 0.001);
    return best(p.scores).slice(0, 5).map(([name]) => make("div", { className: "strip" },
      ...starts.map((from, i) => {
        const to = starts[i + 1] ?? whole;
        const part = make("i", { title: `${name} ${Math.round(100 * perClass[name][i])} %` });
        Object.assign(part.style, {
          left: `${100 * from / whole}%`, width: `${100 * (to - from) / whole}%`, opacity: perClass[name][i],
        });
        return part;
      }), make("b", {}, name)));
  }));
}

// ------------------------------------------------------------------ what to hear next

function filters() {
  const first = Number($("first-year").value), last = Number($("last-year").value);
  const history = Object.entries(readHistory()).map(([track, counts]) => ({ track, ...counts }));
  return {
    ...($("genre").value ? { genres: [$("genre").value] } : {}),
    ...(first || last ? { years: [first || 1, last || 9999] } : {}),
    ...($("use-history").checked ? { history: history.filter((h) => h.track !== state.track?.id) } : {}),
    dislikes: state.dislikes,
  };
}

function showHistory() {
  $("history-size").value = Object.keys(readHistory()).length;
}

async function recommend(turn = state.turn) {
  const file = { embedding: state.embedding, version: state.version, heard: state.heard };
  const seeds = { ...(state.track ? { tracks: [state.track.id] } : file), reasons: state.reasons };
  const body = JSON.stringify({ ...seeds, ...filters(), k: 8, diversity: Number($("diversity").value) });
  const headers = { "Content-Type": "application/json" };
  const { recommendations, reasons } = await json("v1/recommend", { method: "POST", body, headers });
  if (turn !== state.turn) return;
  $("near").hidden = false;
  $("near-reasons").replaceChildren(...why(reasons, "The neighbours of this file are unreliable:"));
  map.mark({ chosen: state.track?.id, place: state.place, near: recommendations.map((r) => r.id) });
  if (!recommendations.length) {
    return $("recommended").replaceChildren(make("li", { className: "by" }, "No track of the catalog passes these filters."));
  }
  $("recommended").replaceChildren(...recommendations.map((track) => {
    const because = [`similarity ${track.score.toFixed(2)}`, ...track.because].join("; ");
    const row = make("li", {}, make("div", {}, ...title(track), make("div", { className: "by" }, because)));
    const name = track.title ?? track.id;
    row.append(make("div", { className: "buttons" },
      make("button", { type: "button", ariaLabel: `Hear ${name}`, onclick: () => guarded(() => hear(row, track)) }, "Hear"),
      make("button", { type: "button", ariaLabel: `Less like ${name}`, onclick: () => guarded(() => dislike(track)) }, "Less like this"),
      make("button", { type: "button", ariaLabel: `Go on from ${name}`, onclick: () => guarded(() => take(track)) }, "Go on")));
    return row;
  }));
}

async function hear(row, track) {
  let player = row.querySelector("audio");
  if (!player) {
    const blob = await (await ask(track.audio)).blob();
    player = make("audio", { controls: true, src: URL.createObjectURL(blob) });
    player.addEventListener("ended", () => { countPlay(track.id); showHistory(); });
    player.addEventListener("pause", () => {
      if (!player.ended && player.isLeft) { countSkip(track.id, player.currentTime / player.duration); showHistory(); }
      player.isLeft = false;
    });
    row.append(player);
  }
  for (const other of document.querySelectorAll("audio")) {
    if (other !== player && !other.paused) { other.isLeft = true; other.pause(); }
  }
  await (player.paused ? player.play() : player.pause());
}

async function dislike(track) {
  state.dislikes.push(track.id);
  await recommend();
}

// ------------------------------------------------------------------ hands on

$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (file) guarded(() => open(file));
});
for (const name of ["dragover", "drop", "dragleave"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) { const [file] = event.dataTransfer.files; guarded(() => open(file)); }
  });
}
$("search").addEventListener("input", () => list());
$("filters").addEventListener("change", () => guarded(() => recommend()));
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("forget").addEventListener("click", () => { forget(); showHistory(); guarded(() => recommend()); });
$("key").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", $("api-key").value);
  $("key").hidden = true;
  say("");
  guarded(start);
});

showHistory();

const player = $("player"), picture = $("picture");
const move = (seconds) => { if (player.duration) player.currentTime = Math.min(Math.max(seconds, 0), player.duration); };
player.addEventListener("timeupdate", () => {
  const share = player.duration ? player.currentTime / player.duration : 0;
  $("playhead").style.left = `${100 * share}%`;
  picture.setAttribute("aria-valuenow", Math.round(player.currentTime));
  picture.setAttribute("aria-valuetext", `${Math.round(player.currentTime)} of ${Math.round(player.duration || 0)} seconds`);
});
player.addEventListener("ended", () => { if (state.track) { countPlay(state.track.id); showHistory(); } });
player.addEventListener("loadedmetadata", () => picture.setAttribute("aria-valuemax", Math.round(player.duration)));
picture.addEventListener("click", (event) => {
  const box = picture.getBoundingClientRect();
  move((event.clientX - box.left) / box.width * player.duration);
});
picture.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -2, ArrowRight: 2, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity }[event.key];
  if (step !== undefined) { event.preventDefault(); move(player.currentTime + step); }
  if (event.key === " ") { event.preventDefault(); player.paused ? player.play() : player.pause(); }
});

guarded(start);
