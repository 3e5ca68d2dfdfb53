// What was done, said once: seen at the lower edge, and read out by screen readers.

import { signal } from "@preact/signals";

const SHOWN_MS = 8_000;
const told = signal("");
let timer: ReturnType<typeof setTimeout> | undefined;

export function say(text: string): void {
  clearTimeout(timer);
  told.value = text;
  timer = setTimeout(() => (told.value = ""), SHOWN_MS);
}

export function Told() {
  return (
    <div class="told" role="status">
      {told.value && (
        <p>
          <bdi>{told.value}</bdi>
          <button type="button" class="plain" aria-label="Hide this message" onClick={() => (told.value = "")}>
            ×
          </button>
        </p>
      )}
    </div>
  );
}
