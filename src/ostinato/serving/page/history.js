// What was played and skipped on this page. It stays in this browser and goes to the service only with a request.

const KEY = "history", LIMIT = 1000;
const SKIPPED_BEFORE = 1 / 3; // of a track's length; whoever leaves it later has neither played nor skipped it

export function readHistory() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // damaged, or a browser that keeps nothing
  }
}

function count(track, name) {
  const { [track]: counts = { plays: 0, skips: 0 }, ...others } = readHistory();
  const entries = [...Object.entries(others), [track, { ...counts, [name]: counts[name] + 1 }]].slice(-LIMIT);
  try {
    localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(entries)));
  } catch { /* a browser that keeps nothing */ }
}

export const countPlay = (track) => count(track, "plays");

export function countSkip(track, share) {
  if (share < SKIPPED_BEFORE) count(track, "skips");
}

export function forget() {
  localStorage.removeItem(KEY);
}
