// The admin API of the sandbox: every edit is posted in the order in which it was made.

const API = "/sandbox/api";

export async function ask(path, { method = "GET", body } = {}) {
  const answer = await fetch(API + path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error?.message ?? `The sandbox answered ${answer.status}.`);
  return told;
}

let last = Promise.resolve();

export function edit(id, ...edits) {
  const made = last.then(() => ask(`/spreadsheets/${id}/edits`, { method: "POST", body: { edits } }));
  last = made.catch(() => undefined);
  return made;
}

let hiding;

export function say(text) {
  const toast = document.getElementById("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { toast.hidden = true; }, 6000);
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
