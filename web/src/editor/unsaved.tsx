// Texts with edits that are in this tab alone. It is in the first part of the page: it is needed when nothing else works.

import { signal } from "@preact/signals";
import { Name } from "../parts/name";
import { say } from "../parts/told";
import { plural } from "../words";

export interface Unsaved {
  path: string;
  edits: number;
  /** Whether no editor shows it: they were made before another view was opened, or the page was closed. */
  isAway: boolean;
  text: () => string;
}

export const unsaved = signal<Unsaved[]>([]);

/** What would be lost with this tab, each with a way to keep it. */
export function UnsavedTexts({ all = false }: { all?: boolean }) {
  const found = unsaved.value.filter((one) => all || one.isAway);
  if (found.length === 0) return null;
  return (
    <section class="unsaved" aria-label="Not saved">
      {found.map((one) => (
        <div key={one.path}>
          <p>
            <Name text={one.path} />: {plural(one.edits, "edit")} in this tab only.
          </p>
          <details>
            <summary>The whole text, to copy</summary>
            <textarea readOnly rows={12} aria-label="The whole text" value={one.text()} />
          </details>
          <button type="button" class="plain" onClick={() => void copy(one.text())}>
            Copy the text
          </button>
        </div>
      ))}
    </section>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say("The text is in the clipboard.");
  } catch {
    say("The browser did not let the text into the clipboard: select it and copy it.");
  }
}
