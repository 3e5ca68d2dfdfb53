// A question in front of the page. Escape and "Cancel" close it; the focus goes back to where it was.

import { useEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { Problem, useAct } from "./act";

interface DialogProps {
  title: ComponentChildren;
  onClose: () => void;
  children: ComponentChildren;
  /** The button that does it. */
  does?: string;
  kind?: "main" | "danger";
  isReady?: boolean;
  onAct?: () => Promise<string | void>;
}

export function Dialog({ title, onClose, children, does, kind = "main", isReady = true, onAct }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { isActing, problem, act } = useAct();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => before instanceof HTMLElement && before.isConnected && before.focus();
  }, []);
  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (onAct && isReady && (await act(onAct))) onClose();
  }
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="dialog-title">{title}</h2>
        {children}
        <Problem text={problem} />
        <div class="buttons">
          {does && (
            <button type="submit" class={kind} disabled={!isReady} aria-busy={isActing}>
              {does}
            </button>
          )}
          <button type="button" class="plain" onClick={() => dialog.current?.close()}>
            {does ? "Cancel" : "Close"}
          </button>
        </div>
      </form>
    </dialog>
  );
}
