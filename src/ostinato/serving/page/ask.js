// What the pages that people answer on share: requests with the key, and messages of what went wrong.

const $ = (id) => document.getElementById(id);

export class Refusal extends Error {}

export async function ask(path, options = {}) {
  const key = sessionStorage.getItem("key");
  let response;
  try {
    response = await fetch(path, { ...options, headers: key ? { "X-API-Key": key } : {} });
  } catch {
    throw new Refusal("The service cannot be reached; try again in a moment.");
  }
  if (response.status === 401) $("key").hidden = false;
  if (!response.ok) {
    const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
    throw new Refusal(detail.charAt(0).toUpperCase() + detail.slice(1) + ".");
  }
  return response;
}

export function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

export async function guarded(work) {
  try {
    say("");
    await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say(error.message);
  }
}
