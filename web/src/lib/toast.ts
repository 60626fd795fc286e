// Short messages about what was done, each with a way back where there is one.

import { signal } from "@preact/signals";

export interface Toast { id: number; text: string; bad?: boolean; about?: string; act?: string; undo?: () => void }
export const toasts = signal<Toast[]>([]);
let last = 0;

export function toast(t: Omit<Toast, "id">, seconds = t.undo || t.bad ? 12 : 6) {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-2), { ...t, id }];
  setTimeout(() => dismiss(id), seconds * 1000);
}
export const dismiss = (id: number) => { toasts.value = toasts.value.filter((t) => t.id !== id); };
