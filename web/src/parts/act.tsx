// Buttons that ask the daemon for something: not twice at a time, and with the answer as a sentence.

import { useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { About } from "./about";
import { sentence } from "../api";
import { refreshNow } from "../live";
import { Words } from "./words-of-daemon";
import { say } from "./told";

interface Acting {
  isActing: boolean;
  problem: string;
  /** Runs it; what it returns is told. */
  act: (what: () => Promise<string | void>) => Promise<boolean>;
}

export function useAct(): Acting {
  const [isActing, setActing] = useState(false);
  const [problem, setProblem] = useState("");
  const isBusy = useRef(false);
  function set(acting: boolean): void {
    isBusy.current = acting;
    setActing(acting);
  }
  async function act(what: () => Promise<string | void>): Promise<boolean> {
    if (isBusy.current) return false; // a second click of a double click
    set(true);
    setProblem("");
    let told: string | void;
    try {
      told = await what();
    } catch (error) {
      setProblem(sentence(error));
      return false;
    } finally {
      set(false);
    }
    await refreshNow();
    if (told) say(told);
    return true;
  }
  return { isActing, problem, act };
}

interface ActProps {
  onAct: () => Promise<string | void>;
  children: ComponentChildren;
  kind?: "main" | "danger" | "plain";
  /** What it is about, for who does not see where it stands. */
  about?: string;
  /** Also where a page may only look. */
  isHarmless?: boolean;
}

/** A button with its own error beneath it. */
export function Act({ onAct, children, kind = "plain", about, isHarmless = false }: ActProps) {
  const { isActing, problem, act } = useAct();
  return (
    <span class={isHarmless ? "act" : "act changing"}>
      <button type="button" class={kind} aria-disabled={isActing} aria-busy={isActing} onClick={() => void act(onAct)}>
        {children}
        {about !== undefined && <About text={about} />}
      </button>
      <Problem text={problem} />
    </span>
  );
}

export function Problem({ text }: { text: string }) {
  return text ? (
    <p class="problem" role="alert">
      <Words text={text} />
    </p>
  ) : null;
}
