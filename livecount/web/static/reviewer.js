// Whose name goes with what is said here: kept in this browser, the login's where none is given.
const KEY = "livecount-reviewer";

export const reviewerName = () => (localStorage.getItem(KEY) ?? "").trim();

export function followReviewer(input) {
  input.value = reviewerName();
  input.addEventListener("change", () => localStorage.setItem(KEY, input.value.trim()));
  // Another window of this browser has another name now, and this one with it.
  addEventListener("storage", ({ key }) => {
    if (key !== KEY) return;
    input.value = reviewerName();
    input.dispatchEvent(new Event("change"));
  });
}

// For a request that has no body.
export function byReviewer() {
  const by = reviewerName();
  return by ? `?${new URLSearchParams({ by })}` : "";
}
