// Where the focus goes when what had it vanishes, as a button does that has done its work: to what is near, not to the
// beginning of the page.

const CAN_HAVE_IT =
  "a[href], button:not([disabled]), input:not([disabled]), select:not([disabled]), textarea:not([disabled]), summary";

/** Looks after the focus within an element, for as long as the page is open. */
export function keepFocus(place: Element): void {
  let last: Element | null = null;
  document.addEventListener("focusin", (event) => (last = event.target instanceof Element ? event.target : null));
  const seen = (records: MutationRecord[]): void => {
    if (last === null || last.isConnected || document.activeElement !== document.body) return;
    const gone = last;
    const record = records.find((one) => [...one.removedNodes].some((node) => node.contains(gone)));
    if (!record) return;
    last = null;
    const near = [record.nextSibling, record.previousSibling, record.target].map(firstOf).find((one) => one);
    (near ?? place.querySelector<HTMLElement>("h1"))?.focus();
  };
  new MutationObserver(seen).observe(place, { childList: true, subtree: true });
}

/** What can have the focus first within a node that is still there; the whole page is not near. */
function firstOf(node: Node | null): HTMLElement | undefined {
  if (!(node instanceof HTMLElement) || !node.isConnected || node.querySelector("h1")) return undefined;
  const found = node.matches(CAN_HAVE_IT) ? [node] : [...node.querySelectorAll<HTMLElement>(CAN_HAVE_IT)];
  return found.find((one) => one.checkVisibility());
}
