// A sentence with a sign: never by its colour alone.

import type { Mood, Said } from "../words";

const SIGNS: Record<Mood, { sign: string; label: string }> = {
  good: { sign: "✓", label: "In sync" },
  busy: { sign: "↻", label: "On its way" },
  look: { sign: "!", label: "Look at this" },
  away: { sign: "–", label: "In sync with what is connected" },
  unknown: { sign: "–", label: "Not known" },
};

export function Sign({ mood }: { mood: Mood }) {
  return (
    <span class={`sign ${mood}`} aria-hidden="true">
      {SIGNS[mood].sign}
    </span>
  );
}

export function Sentence({ said }: { said: Said }) {
  return (
    <span class={`sentence ${said.mood}`}>
      <Sign mood={said.mood} />
      <span>{said.text}</span>
    </span>
  );
}
