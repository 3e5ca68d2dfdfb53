// What stands around every view: where one is, where one can go, and whether what is shown is still known.

import { useEffect } from "preact/hooks";
import { connection, lostSince, now, status } from "./live";
import { route, to } from "./route";
import { closedBecause, mayWrite } from "./session";
import { duration } from "./words";
import { Name } from "./parts/name";
import { Title } from "./parts/title";
import { Told } from "./parts/told";
import { UnsavedTexts } from "./editor/unsaved";
import { Overview } from "./views/overview";
import { VIEWS } from "./views/views";

const PLACES: [string, string][] = [
  ["", "Overview"],
  ["devices", "Devices"],
  ["changes", "Changes"],
  ["settings", "Settings"],
];

export function Shell() {
  const [first = ""] = route.value;
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>
        To the content
      </a>
      <header class="top">
        <a class="brand" href={to()}>
          <img src="icon.svg" alt="" width="24" height="24" />
          yp2p
        </a>
        {status.value && (
          <span class="quiet on-device">
            on <Name text={status.value.device.name} />
          </span>
        )}
        <nav aria-label="Page">
          {PLACES.map(([part, name]) => (
            <a key={part} href={part ? to(part) : to()} aria-current={first === part ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
      </header>
      {!mayWrite.value && <p class="only-looks">This page only looks: it can change nothing.</p>}
      <Lost />
      <UnsavedTexts />
      <main id="content" tabIndex={-1}>
        <View />
      </main>
      <Told />
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

function View() {
  const [first = "", ...rest] = route.value;
  if (first === "") return <Overview />;
  const Found = VIEWS[first];
  if (Found) return <Found parts={rest} />;
  return (
    <>
      <Title text="There is no such page" />
      <p>
        <a href={to()}>To the overview</a>
      </p>
    </>
  );
}

/** While nothing is known. It stands above everything, and mends itself. */
function Lost() {
  if (connection.value !== "lost") return <div role="alert" />;
  return (
    <div role="alert" class="lost">
      <p>
        <strong>No connection to yp2p</strong>{" "}
        <span aria-hidden="true">for {duration(Math.max(1, now.value - lostSince.value))}</span>. What you see is how it
        was then. This page tries again by itself. If yp2p was stopped, it does not come back: start yp2p, and{" "}
        <code>yp2p open</code> in a terminal opens another page.
      </p>
    </div>
  );
}

export function Closed() {
  useEffect(() => {
    document.title = "yp2p: closed";
  }, []);
  return (
    <main class="closed">
      <h1>This page is closed</h1>
      <p>{closedBecause.value}</p>
      <p>
        Type <code>yp2p open</code> in a terminal on this device: it opens a new one.
      </p>
      <UnsavedTexts all />
    </main>
  );
}
