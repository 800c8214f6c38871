// Before the first paint: the theme that was chosen, else the system's.
"use strict";
{
  const chosen = localStorage.getItem("livecount-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
