// Texts and what is different between them, as lines; and times.

import { now } from "../live";
import { pieces } from "../names";
import { ago, moment } from "../words";

/** A line with hidden characters shown; a tab is one. */
function Line({ text }: { text: string }) {
  return (
    <>
      {pieces(text).map((piece) =>
        piece.isWrittenOut && piece.text !== "\\t" ? (
          <span class="written-out">{piece.text}</span>
        ) : (
          piece.text.replaceAll("\\t", piece.isWrittenOut ? "\t" : "\\t")
        ),
      )}
    </>
  );
}

const KINDS: Record<string, [string, string]> = {
  "@": ["place", ""],
  "+": ["added", "added"],
  "-": ["removed", "removed"],
};

/** A unified diff. Added and removed are told by the sign as well as by the colour. */
export function Diff({ lines, label }: { lines: string[]; label: string }) {
  if (lines.length === 0) return <p class="quiet">Nothing is different.</p>;
  return (
    <div class="text" role="group" aria-label={label} tabIndex={0}>
      {lines.map((line, index) => {
        const [kind = "", spoken = ""] = KINDS[line.charAt(0)] ?? [];
        return (
          <div key={index} class={`text-line ${kind}`}>
            {spoken && <span class="unseen">{spoken}: </span>}
            <Line text={line.replace(/\r?\n$/, "") || " "} />
          </div>
        );
      })}
    </div>
  );
}

/** A text as it is. `marked` are the numbers of lines to be pointed out. */
export function Text({ text, label, marked }: { text: string; label: string; marked?: (line: string) => boolean }) {
  const lines = text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  if (lines.length === 0) return <p class="quiet">(empty)</p>;
  return (
    <div class="text" role="group" aria-label={label} tabIndex={0}>
      {lines.map((line, index) => (
        <div key={index} class={`text-line ${marked?.(line) ? "place" : ""}`}>
          <Line text={line || " "} />
        </div>
      ))}
    </div>
  );
}

export function Time({ at }: { at: number }) {
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={moment(at)}>
      {ago(at, now.value)}
    </time>
  );
}
