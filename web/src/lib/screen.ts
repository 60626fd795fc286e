// The screen: its width, and dark or light.

import { effect, signal } from "@preact/signals";

function query(q: string) {
  const m = matchMedia(q);
  const s = signal(m.matches);
  m.addEventListener("change", () => { s.value = m.matches; });
  return s;
}

export const narrow = query("(max-width: 720px)");
export const wide = query("(min-width: 1180px)");
const dark = query("(prefers-color-scheme: dark)");

const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
const chosen = signal<string | null>(stored());
export const theme = signal<"dark" | "light">("light");

effect(() => {
  theme.value = chosen.value === "dark" || chosen.value === "light" ? chosen.value : dark.value ? "dark" : "light";
  document.documentElement.dataset.theme = theme.value;
});

export function toggleTheme() {
  chosen.value = theme.value === "dark" ? "light" : "dark";
  try { localStorage.setItem("theme", chosen.value); } catch { /* private browsing: for this page only */ }
}
