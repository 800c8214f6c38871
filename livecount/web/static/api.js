// Asking the server, and saying plainly what went wrong.

export class Problem extends Error {
  constructor(status, detail, hint) {
    super(hint ? `${detail}. ${hint}.` : `${detail}.`);
    this.status = status;
  }
}

export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`/api/v1/${path}`, options);
  } catch {
    throw new Problem(0, "livecount does not answer", "Is `livecount run` or `livecount serve` still running?");
  }
  if (answer.status === 401) {
    location.assign(`/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`);
    throw new Problem(401, "This browser is not let in", "");
  }
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Problem(answer.status, said.detail ?? "It did not work", said.hint);
  }
  return answer.status === 204 ? null : answer.json();
}

export function send(path, method, body) {
  return ask(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

export function floats(packed) {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// What stands between backticks is typed into a terminal, and looks so.
export function worded(text) {
  return text.split("`").map((part, i) => (i % 2 ? element("code", { text: part }) : document.createTextNode(part)));
}

export function showProblem(problem) {
  const old = document.getElementById("problem");
  old?.remove();
  const main = document.getElementById("main");
  main.prepend(element("p", { id: "problem", class: problem.status === 404 ? "notice plain" : "notice", role: "alert" }, ...worded(problem.message)));
  for (const busy of main.querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
}

export function clearProblem() {
  document.getElementById("problem")?.remove();
}
